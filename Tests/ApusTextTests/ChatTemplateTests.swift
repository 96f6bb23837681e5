import ApusTestSupport
import Foundation
import Testing

@testable import ApusText

/// What Jinja2 made of templates; see text_golden.py. The variables are read apart, by a parser that keeps the order of
/// keys, which templates print.
struct TemplateGolden: Decodable, Sendable {
    struct Outcome: Decodable, Sendable {
        var source: String?
        var file: String?
        var text: String?
        var error: String?
    }

    struct Moment: Decodable, Sendable {
        var seconds: Double
        var format: String
        var text: String

        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            seconds = try list.decode(Double.self)
            format = try list.decode(String.self)
            text = try list.decode(String.self)
        }
    }

    var dates: [Moment]
    var models: [Outcome]
    var snippets: [Outcome]
}

@Suite struct ChatTemplateTests {
    private static let golden = Result { try Fixture.json("text/templates.json", as: TemplateGolden.self) }
    private static let values = Result { try JSONValue(json: Fixture.data("text/templates.json")) }

    private static func member(_ value: JSONValue, _ key: String) -> JSONValue? {
        guard case .object(let members) = value else { return nil }
        return members.first { $0.key == key }?.value
    }

    private static func variables(_ value: JSONValue?) throws -> [String: JSONValue] {
        guard case .object(let members) = try #require(value) else { return [:] }
        return Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    }

    private func check(_ outcome: TemplateGolden.Outcome, _ source: String, _ data: [String: JSONValue]) {
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

    @Test func `integers of any size and the order of keys survive`() throws {
        let text =
            #"{"z": 18446744073709551615, "a": [-9223372036854775809, 9223372036854775807], "m": 12345678901234567890123}"#
        let value = try JSONValue(json: text.utf8)
        let source = "{{ v | tojson }} {{ v.z }} {{ v.a }} {{ v.m | int }} {{ v.m is integer }} {{ v.m is float }}"
        let numbers =
            "18446744073709551615 [-9223372036854775809, 9223372036854775807] 12345678901234567890123 True False"
        #expect(try ChatTemplate(source: source).render(["v": value]) == "\(text) \(numbers)")
        let sums =
            "{{ v.z == v.z }} {{ v.z == v.m }} {{ v.m > v.z }} {{ v.z > 0 }} {{ v.a[0] < v.a[1] }} {{ 'x' if v.z }}"
        #expect(try ChatTemplate(source: sums).render(["v": value]) == "True False True True True x")
        // Equal keys: the last one counts.
        #expect(try JSONValue(json: #"{"a": 1, "a": 2}"#.utf8, isLenient: true)["a"] == 2)
        let error = #expect(throws: TextError.self) {
            try TokenizerConfiguration.json(Array(#"{"a": }"#.utf8), name: "x")
        }
        #expect(error?.message == "x: not valid JSON at byte 6: wanted a value, found '}'; fetch the file again")
    }

    @Test func `tells dates as strftime does`() throws {
        let zone = try #require(TimeZone(secondsFromGMT: 0))
        for moment in try Self.golden.get().dates {
            let time = CalendarTime(Date(timeIntervalSince1970: moment.seconds), in: zone)
            #expect(time.formatted(moment.format) == moment.text)
        }
        // Every directive with every flag; see dates_golden.py.
        for row in try Fixture.json("text/dates.json", as: [TemplateGolden.Moment].self) {
            let time = CalendarTime(Date(timeIntervalSince1970: row.seconds), in: zone)
            #expect(time.formatted(row.format) == row.text, "\(row.format) at \(row.seconds)")
        }
        let eastern = try #require(TimeZone(secondsFromGMT: 3600))
        #expect(CalendarTime(Date(timeIntervalSince1970: 0), in: eastern).formatted("%H:%M %Q %") == "01:00 %Q %")
        let template = try ChatTemplate(source: "{{ strftime_now('%Y') }}")
        #expect(try template.render([:], date: Date(timeIntervalSince1970: 1_000_000_000)) == "2001")
    }
}
