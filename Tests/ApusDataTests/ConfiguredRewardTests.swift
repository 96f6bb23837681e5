import ApusData
import Testing

@Suite("Built-in rewards with parameters")
struct ConfiguredRewardTests {
    private func scores(
        _ kind: ConfiguredReward, _ parameters: [String: JSONValue], _ completions: [String], answer: JSONValue = "4"
    ) async throws -> [Double?] {
        let context = RewardContext(
            samples: completions.map { _ in Sample(prompt: .text(""), columns: ["answer": answer]) },
            completions: completions, completionTokens: completions.map { Array(repeating: 1, count: $0.count) })
        return try await kind.function(parameters: parameters).scores(context)
    }

    @Test("exact: the answer after normalisation")
    func exact() async throws {
        let texts = ["<answer>New  york\n</answer>", "<answer>York</answer>", "New York", "<answer>new york.</answer>"]
        #expect(try await scores(.exact, [:], texts, answer: "New York") == [1, 0, 0, 0])
        #expect(
            try await scores(
                .exact, ["normalize": .array(["space", "case", "punctuation"]), "score": 2.0, "otherwise": -1.0], texts,
                answer: "New York") == [2, -1, -1, -1])
        #expect(try await scores(.exact, ["normalize": "punctuation"], ["<answer>a!</answer>"], answer: "a") == [1])
        #expect(
            try await scores(.exact, ["normalize": "numbers"], ["<answer>$1,080.00</answer>"], answer: 1080.0) == [1])
        #expect(try await scores(.exact, ["extract": "text"], ["4", " 4 ", "5"]) == [1, 1, 0])
        #expect(
            try await scores(.exact, ["tag": "a", "column": "answer"], ["<a>4</a>", "<answer>4</answer>"]) == [1, 0])
        #expect(
            try await scores(.exact, ["extract": "boxed"], ["so \\boxed{4}.", "\\boxed{{4}", "\\boxed{\\frac{1}{2}}"])
                == [1, 0, 0])
        #expect(try await scores(.exact, ["extract": "hashes"], ["2 + 2\n#### 4", "4"]) == [1, 0])
    }

    @Test("numeric: equal numbers, or close ones; not where the reference is none")
    func numeric() async throws {
        let texts = ["<answer>1,080.0</answer>", "<answer>1081</answer>", "<answer>many</answer>", "1080"]
        #expect(try await scores(.numeric, [:], texts, answer: "1080") == [1, 0, 0, 0])
        #expect(try await scores(.numeric, ["tolerance": 1.0], texts, answer: "1080") == [1, 1, 0, 0])
        #expect(try await scores(.numeric, ["relative_tolerance": 0.0009], texts, answer: 1080.0) == [1, 0, 0, 0])
        #expect(
            try await scores(
                .numeric, ["extract": "last_number"], ["so 3 - 4 = -1.", "1, 2, 3", "none", "it is 2-1"], answer: "-1")
                == [1, 0, 0, 0])
        #expect(try await scores(.numeric, [:], ["<answer>4</answer>"], answer: "four") == [nil])
    }

    @Test("regex: search, match and fullmatch with flags")
    func regex() async throws {
        let texts = ["ab", "xab", "AB", "a\nb"]
        #expect(try await scores(.regex, ["pattern": "ab"], texts) == [1, 1, 0, 0])
        #expect(try await scores(.regex, ["pattern": "ab", "match": "match", "score": 0.5], texts) == [0.5, 0, 0, 0])
        #expect(
            try await scores(.regex, ["pattern": "ab", "match": "fullmatch", "ignore_case": true], texts) == [
                1, 0, 1, 0,
            ])
        #expect(try await scores(.regex, ["pattern": "a.b", "dotall": true], texts) == [0, 0, 0, 1])
        #expect(try await scores(.regex, ["pattern": "^b$", "multiline": true], texts) == [0, 0, 0, 1])
        #expect(try await scores(.regex, ["pattern": #"\d+(?=%)"#], ["10%", "10"]) == [1, 0])
    }

    @Test("Bad input 29: a pattern that would take for ever is given up")
    func catastrophe() async throws {
        let start = ContinuousClock.now
        let error = await #expect(throws: RewardError.self) {
            _ = try await scores(
                .regex, ["pattern": #"^(\w+\s?)+$"#, "timeout": 0.01],
                [String(repeating: "a", count: 60) + "!", "b"])
        }
        #expect(error?.description.contains("on completion 0: the pattern took more than 200000 steps") == true)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("xml: a share for each element, or all of them and nothing else")
    func xml() async throws {
        let whole = "<reasoning>\n1\n</reasoning>\n<answer>2</answer>\n"
        let texts = [whole, "x" + whole, "<answer>2</answer>", whole + whole, "</answer><answer>", ""]
        #expect(try await scores(.xml, [:], texts) == [1, 1, 0.5, 0, 0, 0])
        #expect(try await scores(.xml, ["strict": true], texts) == [1, 0, 0, 0, 0, 0])
        #expect(try await scores(.xml, ["tags": .array(["answer"]), "score": 3.0], texts) == [3, 3, 3, 0, 0, 0])
    }

    @Test("length: within a range, falling off outside")
    func length() async throws {
        let texts = ["", "aa", "aaaa", "aaaaaaaa"]
        #expect(try await scores(.length, ["min": 2.0, "max": 4.0], texts) == [0, 1, 1, 0])
        #expect(try await scores(.length, ["max": 4.0, "margin": 8.0], texts) == [1, 1, 1, 0.5])
        #expect(try await scores(.length, ["target": 4.0], texts) == [0, 0.5, 1, 0])
        #expect(try await scores(.length, ["unit": "words", "max": 2.0], ["a b", "a b\nc"]) == [1, 0])
        #expect(try await scores(.length, ["unit": "characters", "max": 1.0], ["\u{E9}", "e\u{301}"]) == [1, 0])
    }

    @Test("json_schema: JSON of the form, with something for JSON of another")
    func jsonSchema() async throws {
        let schema: JSONValue = .object([
            "type": "object", "required": .array(["name", "age"]), "additionalProperties": false, "title": "person",
            "properties": .object([
                "name": .object(["type": "string", "minLength": 1.0]),
                "age": .object(["type": "integer", "minimum": 0.0, "maximum": 150.0]),
                "pets": .object(["type": "array", "maxItems": 1.0, "items": .object(["enum": .array(["cat", "dog"])])]),
            ]),
        ])
        let good = #"{"name": "Ada", "age": 36, "pets": ["cat"]}"#
        let bad = [
            #"{"name": "Ada"}"#, #"{"name": "", "age": 3}"#, #"{"name": "A", "age": 3.5}"#,
            #"{"name": "A", "age": 200}"#, #"{"name": "A", "age": 3, "x": 1}"#,
            #"{"name": "A", "age": 3, "pets": ["cow"]}"#, #"{"name": "A", "age": 3, "pets": ["cat", "dog"]}"#, "[]",
        ]
        #expect(
            try await scores(.jsonSchema, ["schema": schema, "well_formed": 0.25], [good] + bad + ["{", ""])
                == [1] + bad.map { _ in 0.25 } + [0, 0])
        let fenced = "Here:\n```json\n\(good)\n```\nDone."
        #expect(try await scores(.jsonSchema, ["schema": schema], [fenced]) == [1])
        #expect(try await scores(.jsonSchema, ["schema": schema, "extract": "text"], [fenced]) == [0])
        #expect(try await scores(.jsonSchema, ["schema": schema, "tag": "out"], ["<out>\(good)</out>"]) == [1])
    }

    @Test("Integers that no double holds are told apart")
    func bigIntegers() async throws {
        let (one, other) = ("9007199254740993", "9007199254740992")
        let constant = try JSONValue(json: #"{"const": \#(one), "type": "integer", "minimum": 1}"#.utf8)
        #expect(try await scores(.jsonSchema, ["schema": constant], [one, other, "-\(one)"]) == [1, 0, 0])
        let answer = try JSONValue(json: one.utf8)
        for kind in [ConfiguredReward.exact, .numeric] {
            #expect(try await scores(kind, ["extract": "text"], [one, other], answer: answer) == [1, 0])
        }
        #expect(try await scores(.numeric, ["extract": "text", "tolerance": 1.0], [other], answer: answer) == [1])
    }

    @Test(
        "Parameters that cannot be used are named",
        arguments: [
            (
                .exact, ["scor": 1.0],
                "has no parameter 'scor'; there are column, extract, label, normalize, otherwise, score, tag"
            ),
            (.exact, ["score": "1"], "score must be a number, found '1'"),
            (
                .exact, ["normalize": .array(["space", "greek"])],
                "normalize must be one of space, case, punctuation, numbers, found 'greek'"
            ),
            (.exact, ["extract": "boxed", "tag": "a"], "tag is given, but extract is boxed"),
            (.numeric, ["tolerance": -1.0], "tolerance must be at least 0, found -1"),
            (.regex, [:], "needs a pattern"), (.regex, ["pattern": 5.0], "pattern must be text, found 5"),
            (.regex, ["pattern": "("], "pattern cannot be used: "),
            (.regex, ["pattern": "a", "dotall": "yes"], "dotall must be true or false, found 'yes'"),
            (.xml, ["tags": .array(["<a>"])], "tags must be names without brackets, found '<a>'"),
            (.length, [:], "needs target, min or max"),
            (.length, ["target": 1.0, "max": 2.0], "takes either target or min and max, found both"),
            (.length, ["min": 3.0, "max": 2.0], "min must be at most max, found 3.0 and 2.0"),
            (.jsonSchema, [:], "needs a schema"),
            (.jsonSchema, ["schema": .object(["anyOf": .array([])])], "schema: has no parameter 'anyOf'"),
            (.jsonSchema, ["schema": .object(["type": "text"])], "schema: type must be one of object, array"),
        ] as [(ConfiguredReward, [String: JSONValue], String)])
    func parameters(kind: ConfiguredReward, parameters: [String: JSONValue], message: String) {
        let error = #expect(throws: RewardParameterError.self) { try kind.function(parameters: parameters) }
        #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
    }
}
