import ApusData
import ApusPython
import ApusTestSupport
import ApusText
import Foundation
import Testing

@Suite("Data made by the user's own code", .serialized)
struct DataFunctionTests {
    /// The tokenizer that the goldens were made with.
    private static func tokenizer() throws -> Tokenizer {
        let folder = try TemporaryFolder()
        _ = try folder.write(Fixture.data("text/qwen2/tokenizer.json"), as: "tokenizer.json")
        _ = try folder.write(Fixture.data("text/templates/qwen2.5.jinja"), as: "chat_template.jinja")
        return try withExtendedLifetime(folder) { try Tokenizer(directory: folder.url) }
    }

    private func rows(_ functions: DataFunctions, from rows: [JSONValue]?) async throws -> [JSONValue] {
        try await functions.rows(from: rows, name: "data.jsonl", tokenizer: { try Self.tokenizer() })
    }

    /// Rows through functions of a source of their own.
    private func made(_ source: String, map: String? = nil, filter: String? = nil, from given: [JSONValue]) async throws
        -> [JSONValue]
    {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(source.utf8), as: "data.py")
        func place(_ name: String?) -> String? { name.map { folder.url.appending(path: "data.py").path + ":" + $0 } }
        return try await rows(DataFunctions(map: place(map), filter: place(filter)), from: given)
    }

    @Test(
        "The data steps of published recipes give the rows that `datasets` gives",
        arguments: [
            ("tutorial", nil), ("numina", nil), ("dapo", nil), ("dapo_length", "is_short"), ("countdown", nil),
            ("summary", nil), ("choices", nil), ("code", "is_easy"),
        ])
    func recipes(name: String, filter: String?) async throws {
        let golden = try #require(try JSONValue(json: Fixture.data("recipes/golden.json"))[name]?.array)
        let place = Fixture.url("recipes/data.py").path
        let functions = try DataFunctions(map: "\(place):\(name)", filter: filter.map { "\(place):\($0)" })
        let file = try Dataset.rows(path: Fixture.url("recipes/\(name).jsonl").path)
        let rows = try await rows(functions, from: file)
        #expect(rows.count == golden.count)
        for (row, wanted) in zip(rows, golden) { #expect(row == wanted) }
    }

    @Test("Rows without a file come from a generator or a list", arguments: ["boards", "constant"])
    func generated(name: String) async throws {
        let golden = try #require(try JSONValue(json: Fixture.data("recipes/golden.json"))[name]?.array)
        let functions = try DataFunctions(rows: Fixture.url("recipes/data.py").path + ":\(name)")
        #expect(try await rows(functions, from: nil) == golden)
    }

    @Test("A list is several rows, None leaves a row as it is, and keys stand in their order")
    func shapes() async throws {
        let source = """
            def several(row, index):
                if row["n"] == 1: return None
                return [{"m": i, "z": 2**70, "index": index} for i in range(row["n"])]
            """
        let given: [JSONValue] = [["z": 1, "n": 0], ["z": 1.0, "n": 1], ["n": 2, "a": [1, .null]]]
        let rows = try await made(source, map: "several", from: given)
        let big = try JSONValue(json: "1180591620717411303424".utf8)
        #expect(
            rows == [
                ["z": 1.0, "n": 1], ["n": 2, "a": [1, .null], "m": 0, "z": big, "index": 2],
                ["n": 2, "a": [1, .null], "m": 1, "z": big, "index": 2],
            ])
        #expect(rows[1].members?.map(\.key) == ["n", "a", "m", "z", "index"])
    }

    @Test("The tokenizer encodes, decodes, renders and names its tokens as the model's does")
    func tokenizer() async throws {
        let source = """
            def ask(row, tokenizer):
                ids = tokenizer.encode(row["text"])
                chat = [{"role": "user", "content": row["text"]}]
                return {
                    "ids": ids, "back": tokenizer.decode(ids), "called": tokenizer(row["text"])["input_ids"] == ids,
                    "chat": tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True),
                    "added": "<tool_call>" in tokenizer.get_added_vocab(), "size": len(tokenizer), "eos": tokenizer.eos_token,
                }
            """
        let row = try #require(try await made(source, map: "ask", from: [["text": "naïve 12+3"]]).first)
        let tokenizer = try Self.tokenizer()
        let ids = tokenizer.encode("naïve 12+3", addSpecialTokens: true)
        #expect(row["ids"]?.array?.compactMap(\.integer) == ids.map(Int.init))
        #expect(row["back"] == "naïve 12+3" && row["called"] == true && row["added"] == true)
        let chat = try tokenizer.renderChat([Message(role: "user", content: "naïve 12+3")], addGenerationPrompt: true)
        #expect(row["chat"]?.string == chat && row["size"]?.integer == tokenizer.vocabularySize)
    }

    @Test(
        "What goes wrong names the row, the function and the line",
        arguments: [
            (
                "def f(row): return {'x': row['missing']}", "data.jsonl, row 2: ",
                "raised KeyError: 'missing' (data.py, line 1)"
            ),
            ("def f(row): return 7", "data.jsonl, row 1: ", "returned 7 (int); return a dictionary"),
            ("def f(row): return {'x': object}", "data.jsonl, row 1: ", "has no form in JSON"),
            ("def f(row, tokenizer): return {'x': tokenizer.encode('a')[9**9]}", "row 1: ", "IndexError"),
            ("import os\ndef f(row): os._exit(4)", "data.jsonl: ", "exit status 4"),
            ("def f(row): return {", "data.py:f", "syntax error"), ("def g(row): pass", "data.py:f", "it has no 'f'"),
        ])
    func failures(source: String, place: String, reason: String) async throws {
        let given: [JSONValue] =
            source.contains("missing") ? [["missing": 1], ["n": 2]] : [["n": 1], ["n": 2]]
        let error = try await #require(throws: (any Error).self) { try await made(source, map: "f", from: given) }
        let text = "\(error)"
        #expect(text.contains(place) && text.contains(reason) && !text.contains("\n"), "\(text)")
    }

    @Test("What was made is kept until the functions, the data or the tokenizer change")
    func kept() async throws {
        let folder = try TemporaryFolder()
        let calls = folder.url.appending(path: "calls")
        func source(_ value: Int) -> String {
            "def f(row):\n    open('\(calls.path)', 'a').write('.')\n    return {'m': row['n'] + \(value)}\n"
        }
        func count() -> Int { (try? Data(contentsOf: calls))?.count ?? 0 }
        var cache = RowCache(directory: folder.url.appending(path: "rows"))
        func made(_ rows: [JSONValue], tokenizer: String = "t") async throws -> [JSONValue] {
            try await DataFunctions(map: folder.url.appending(path: "data.py").path + ":f").rows(
                from: rows, name: "data", cache: (cache, tokenizer), tokenizer: { try Self.tokenizer() })
        }
        _ = try folder.write(Data(source(1).utf8), as: "data.py")
        #expect(try await made([["n": 1]]) == [["n": 1, "m": 2]] && count() == 1)
        #expect(try await made([["n": 1]]) == [["n": 1, "m": 2]] && count() == 1)
        #expect(try await made([["n": 2]]) == [["n": 2, "m": 3]] && count() == 2)
        #expect(try await made([["n": 1]], tokenizer: "u").count == 1 && count() == 3)
        _ = try folder.write(Data(source(5).utf8), as: "data.py")
        #expect(try await made([["n": 1]]) == [["n": 1, "m": 6]] && count() == 4)
        // A damaged file is none, and the oldest go where there is no room.
        let files = try FileManager.default.contentsOfDirectory(at: cache.directory, includingPropertiesForKeys: nil)
        #expect(files.count == 4)
        for file in files { try Data("{\"n\": 1}\n2\n".utf8).write(to: file) }
        #expect(try await made([["n": 1]]) == [["n": 1, "m": 6]] && count() == 5)
        cache.sizeLimit = 40
        #expect(try await made([["n": 9]]) == [["n": 9, "m": 14]] && count() == 6)
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache.directory.path).count < 4)
    }

    @Test("A place that is none, or a file that is not there, is refused before anything runs")
    func places() {
        for (text, reason) in [("data", "is no function"), ("nowhere/data.py:f", "which is not in the current folder")]
        {
            let error = #expect(throws: PythonLoadError.self) { try DataFunctions(map: text) }
            #expect(error?.description.hasPrefix("dataset_map: '\(text)'") == true)
            #expect(error?.description.contains(reason) == true, "\(text)")
        }
    }
}
