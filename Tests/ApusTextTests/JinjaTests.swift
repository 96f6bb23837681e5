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
