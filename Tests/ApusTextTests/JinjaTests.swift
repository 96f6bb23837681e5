import ApusTestSupport
import Foundation
import Testing

@testable import ApusText

/// What Jinja2 makes of every filter, test, method and statement; see jinja_golden.py.
@Suite struct JinjaTests {
    private static let golden = Result { try JSONValue(json: Fixture.data("text/jinja.json")) }

    @Test func `renders what Jinja2 renders, or refuses it by name`() throws {
        let variables = try #require(try Self.golden.get()["variables"]?.object)
        let cases = try #require(try Self.golden.get()["cases"]?.array)
        #expect(cases.count >= 2_400)
        var refused = 0
        for golden in cases {
            let source = try #require(golden["template"]?.string)
            let wanted = golden["output"]?.string
            let result = Result { () throws(TextError) in try ChatTemplate(source: source).render(variables) }
            switch (result, wanted) {
            case (.success(let text), let wanted?):
                #expect(
                    text.scalars == wanted.scalars, "\(source)\n\(text.debugDescription)\n\(wanted.debugDescription)")
            case (.success(let text), nil):
                Issue.record(
                    "\(source): wanted \(golden["fails"]?.string ?? "a failure"), found \(text.debugDescription)")
            case (.failure(let error), nil):
                #expect((error.line ?? 0) >= 1 && !error.description.contains("\n"), "\(error)")
            case (.failure(let error), let wanted?):
                guard error.code != .templateUnsupported else {
                    refused += 1
                    continue
                }
                Issue.record("\(source): wanted \(wanted.debugDescription), found \(error)")
            }
        }
        // What is refused is written down in docs/templates.md; the list must not grow unseen.
        #expect(refused <= cases.count / 20, "\(refused) of \(cases.count) are refused")
    }
}

/// The chat templates of real families over conversations of every shape; see families_golden.py.
@Suite struct FamilyTemplateTests {
    @Test func `renders what transformers renders, and marks what it marks`() throws {
        let cases = try #require(try JSONValue(json: Fixture.data("text/families.json")).array)
        #expect(cases.count >= 140)
        for golden in cases {
            let file = try #require(golden["file"]?.string)
            let name = "\(file), \(golden["name"]?.string ?? "")"
            let template = try ChatTemplate(
                source: String(decoding: Fixture.data("text/templates/\(file)"), as: UTF8.self))
            let variables = try #require(golden["variables"]?.object)
            guard let wanted = golden["text"]?.string else {
                #expect(throws: TextError.self, "\(name)") { try template.render(variables) }
                continue
            }
            let text = try template.render(variables)
            #expect(text.scalars == wanted.scalars, "\(name)\n\(text.debugDescription)\n\(wanted.debugDescription)")
            guard let marked = golden["generated"]?.array else { continue }
            let parts = try template.renderParts(variables)
            #expect(parts.map(\.text).joined().scalars == wanted.scalars, "\(name)")
            #expect(
                parts.filter(\.isGenerated).map(\.text) == marked.compactMap(\.string).filter { !$0.isEmpty }, "\(name)"
            )
        }
    }
}
