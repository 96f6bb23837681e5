import ApusTestSupport
import ApusText
import Foundation
import Testing

/// JSON with the order of its keys: `JSONDecoder` loses it, and templates print it. The template language's own
/// literals are a superset of JSON, so that a template reads them: `{{ … }}` written back by `tojson`.
struct TemplateGolden: Decodable, Sendable {
    struct Outcome: Decodable, Sendable {
        var source: String?
        var file: String?
        var text: String?
        var error: String?
    }

    var models: [Outcome]
    var snippets: [Outcome]
}

@Suite struct ChatTemplateTests {
    private static let golden = Result { try Fixture.json("text/templates.json", as: TemplateGolden.self) }
    private static let values = Result { try TemplateValue(json: Fixture.data("text/templates.json")) }

    private static func member(_ value: TemplateValue, _ key: String) -> TemplateValue? {
        guard case .object(let members) = value else { return nil }
        return members.first { $0.key == key }?.value
    }

    private static func variables(_ value: TemplateValue?) throws -> [String: TemplateValue] {
        guard case .object(let members) = try #require(value) else { return [:] }
        return Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    }

    private func check(_ outcome: TemplateGolden.Outcome, _ source: String, _ data: [String: TemplateValue]) {
        let result = Result { () throws(TextError) in try ChatTemplate(source: source).render(data) }
        switch (result, outcome.text) {
        case (.success(let text), let wanted?):
            #expect(text.scalars == wanted.scalars, "\(source)\n\(text.debugDescription)\n\(wanted.debugDescription)")
        case (.failure(let error), nil):
            #expect((error.line ?? 0) >= 1 && !error.description.contains("\n"), "\(error)")
        case (.success(let text), nil):
            Issue.record("\(source): wanted the error \(outcome.error ?? ""), found \(text.debugDescription)")
        case (.failure(let error), let wanted?):
            Issue.record("\(source): wanted \(wanted.debugDescription), found \(error)")
        }
    }

    @Test func `renders what Jinja2 renders`() throws {
        let data = try Self.variables(Self.member(try Self.values.get(), "data"))
        for snippet in try Self.golden.get().snippets { check(snippet, try #require(snippet.source), data) }
    }

    @Test func `renders the chat templates of real models`() throws {
        let golden = try Self.golden.get()
        guard case .array(let cases)? = Self.member(try Self.values.get(), "models") else {
            Issue.record("templates.json has no list of models")
            return
        }
        #expect(cases.count == golden.models.count && cases.count >= 30)
        for (outcome, value) in zip(golden.models, cases) {
            let file = try #require(outcome.file)
            let source = try String(decoding: Fixture.data("text/templates/\(file)"), as: UTF8.self)
            check(outcome, source, try Self.variables(Self.member(value, "context")))
        }
    }
}
