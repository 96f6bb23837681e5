import ApusText
import Foundation
import Testing

/// Templates come from downloaded files: none of them may hang, crash or fill the memory.
@Suite struct TemplateLimitTests {
    private let small = ChatTemplate.Limits(steps: 20_000, depth: 100, outputBytes: 10_000, textBytes: 1 << 20)

    @Test(
        "Bad input 19: a template stops at a limit of steps, depth or text",
        arguments: [
            "{% for i in range(1000000000) %}{% endfor %}",
            "{% for i in range(1000) %}{% for j in range(1000) %}{{ i }}{% endfor %}{% endfor %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ 'x' * 1000000000 }}",
            "{{ 'x' * 9223372036854775807 }}",
            "{{ [1] * 1000000000 }}", "{{ 'x'.center(1000000000) }}", "{{ 'x' | center(9223372036854775807) }}",
            "{{ 'x'.ljust(1000000000) }}", "{{ 'x'.zfill(1000000000) }}", "{{ '\\t'.expandtabs(1000000000) }}",
            "{{ '%1000000000d' % 1 }}", "{{ '%*d' % (1000000000, 1) }}", "{{ '%.1000000000f' % 1 }}",
            "{{ 'x' | indent(1000000000, true) }}", "{{ [1] | batch(1000000000, 'x') | list }}",
            "{{ [1] | slice(1000000000) | list }}", "{{ range(1000000000) | batch(2) | list }}",
            "{{ ('x' * 1000).replace('', 'x' * 1000) }}", "{{ (['x'] * 2000) | join('x' * 1000) }}",
            "{% for i in [[[]]] recursive %}{{ loop([i, i]) }}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
            "{% set ns = namespace(s='<') %}{% for i in range(60) %}{% set ns.s = ns.s | e | string | forceescape ~ ns.s %}{% endfor %}",
            "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('x', 'xxxx') %}{% endfor %}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(30) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(30) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l }}",
            "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
            "{% for i in range(200) %}{{ 'x' * 100 }}{% endfor %}",
            "{{ '" + String(repeating: "x", count: 20_000) + "' }}",
            String(repeating: "{% if true %}", count: 500) + "x",
            "{{ " + String(repeating: "(", count: 5_000),
            "{{ " + String(repeating: "not ", count: 1_000) + "1 }}",
            "{{ " + String(repeating: "-", count: 1_000) + "1 }}",
            "{{ " + String(repeating: "[", count: 1_000) + String(repeating: "]", count: 1_000) + " }}",
            "{{ 1" + String(repeating: " + 1", count: 900) + " }}",
            "{{ 1" + String(repeating: " + 1", count: 100_000) + " }}",
            "{{ a" + String(repeating: ".a", count: 900) + " }}",
            String(repeating: "x", count: 2 << 20),
        ])
    func stopsAtALimit(source: String) {
        let error = #expect(throws: TextError.self) {
            try ChatTemplate(source: source).render(["a": "b"], limits: small)
        }
        #expect(error?.code == .templateLimit, "\(source.prefix(60)): \(String(describing: error))")
        #expect(error?.line == 1)
    }

    @Test("Bad input 19: a template stops at the standard limits")
    func stopsAtTheStandardLimits() throws {
        for source in [
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ 'x' * 1000000000 }}",
            "{% set s = 'x' * 20000000 %}{{ s }}",
        ] {
            let error = #expect(throws: TextError.self) { try ChatTemplate(source: source).render([:]) }
            #expect(error?.code == .templateLimit)
        }
    }

    @Test(
        "Bad input 19: a template reads no files, imports nothing and reaches no attributes",
        arguments: [
            "{% set ns = namespace() %}{% set ns.me = ns %}", "{% set ns = namespace() %}{{ [ns] }}",
            "{{ 9223372036854775807 + 1 }}", "{{ 10 ** 100 }}", "{{ 99999999999999999999 + 1 }}",
            "{{ (-9223372036854775807 - 1) // -1 }}",
            "{{ [1][9223372036854775807:1:0] }}",
            "{% include '/etc/passwd' %}", "{% import 'x' as y %}", "{{ open('/etc/passwd') }}",
            "{{ ''.__class__.__mro__ }}",
            "{{ self.x }}",
        ])
    func refusesHarm(source: String) {
        let error = #expect(throws: TextError.self) { try ChatTemplate(source: source).render([:]) }
        #expect(error?.line == 1 && error?.description.contains("\n") == false)
    }

    @Test func `survives slices at the edge of integers`() throws {
        let source =
            "{{ [1, 2][-9223372036854775807:9223372036854775807:9223372036854775807] }}"
            + "{{ [1, 2][9223372036854775807::-9223372036854775807] }}{{ [1, 2][:-9223372036854775807] }}"
        #expect(try ChatTemplate(source: source).render([:]) == "[1][2][]")
    }

    @Test("Bad inputs 19 and 20: a template that fails names the line")
    func namesTheLine() throws {
        let parsing = #expect(throws: TextError.self) { try ChatTemplate(source: "a\n{% if 1 %}\n{% foo %}") }
        #expect(parsing?.line == 3 && parsing?.code == .templateSyntax)
        let template = try ChatTemplate(source: "a\n{{ 1 }}\n\n{{ x.y }}\n")
        let failing = #expect(throws: TextError.self) { try template.render([:]) }
        #expect(failing?.line == 4 && failing?.code == .templateFailed)
        #expect(failing?.description.hasPrefix("chat template, line 4: ") == true)
        let raising = #expect(throws: TextError.self) {
            try ChatTemplate(source: "\n{{ raise_exception('roles must\nalternate') }}").render([:])
        }
        #expect(raising?.code == .templateRaised && raising?.message == "roles must alternate" && raising?.line == 2)
    }

    /// Whatever the bytes, parsing and rendering end with text or with a `TextError`.
    @Test func `survives random templates`() {
        let parts = [
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "if", "else", "endif", "for", "in", "endfor",
            "set", "x", "l",
            "=", "|", "tojson", "'", "\"", "(", ")", "[", "]", "{", "}", ":", ",", ".", "1", "2.5", "is", "defined",
            "not",
            "and", "~", "*", "**", "//", "%", "namespace", "macro", "endmacro", "loop", "\\", "é", "👍", "join", "strip",
        ]
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<3_000 {
            var source = Bool.random(using: &generator) ? "{{ " : "{% "
            for _ in 0..<Int.random(in: 1...14, using: &generator) {
                source += (parts.randomElement(using: &generator) ?? "") + " "
            }
            source += Bool.random(using: &generator) ? "}}" : "%}{% endif %}"
            _ = try? ChatTemplate(source: source).render(["x": "ab", "l": [1, "two", .null]], limits: small)
        }
    }
}
