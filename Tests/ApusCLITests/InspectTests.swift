import Apus
import ApusTestSupport
import Foundation
import Testing

/// `apus inspect` says what a model or an adapter is, also of what cannot be used.
@Suite struct InspectTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A family's fixture with a tokenizer beside it.
    private func model(_ fixture: String, changing changes: [String: Any] = [:]) throws -> String {
        let copy = folder.url.appending(path: "model")
        try FileManager.default.copyItem(at: Fixture.url(fixture), to: copy)
        let tokenizer = copy.appending(path: "tokenizer.json")
        try Data(contentsOf: Fixture.url("base96-slips/tokenizer.json")).write(to: tokenizer)
        let file = copy.appending(path: "config.json")
        let original = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var config = try #require(original as? [String: Any])
        for (key, value) in changes { config[key] = value }
        try JSONSerialization.data(withJSONObject: config).write(to: file)
        return copy.path
    }

    private func json(_ arguments: [String]) throws -> [String: [String: Any]] {
        let outcome = try Program.run(["inspect", "--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        return try #require(object as? [String: [String: Any]])
    }

    @Test func aModelThatCanBeUsed() throws {
        let path = Fixture.url("base96-slips").path
        let found = try json([path])
        #expect(found["use"]?["loads"] as? Bool == true)
        let shape = try #require(found["shape"])
        let configuration = try ModelConfiguration(path: path)
        #expect(shape["layers"] as? Int == configuration.layerCount)
        #expect(shape["vocabulary"] as? Int == configuration.vocabularySize)
        // What the file holds is what the shape asks for, and what loading takes grows with the precision.
        #expect(found["weights"]?["parameters"] as? Int == configuration.parameterCount)
        let memory = try #require(found["memory_to_load"] as? [String: Int])
        #expect(try #require(memory["nf4"]) < #require(memory["int8"]))
        #expect(try #require(memory["bf16"]) < #require(memory["f32"]))
        #expect(found["text"]?["end_tokens"] as? [String] == ["<|end|>"])
        #expect((found["text"]?["chat_template"] as? [String: Any])?["characters"] as? Int ?? 0 > 0)
    }

    /// The same words for people: one line a fact, of every part.
    @Test func theTableHoldsWhatTheObjectHolds() throws {
        let path = Fixture.url("base96-slips").path
        let text = try Program.run(["inspect", path]).output
        let lines = Set(text.split(separator: "\n").map { $0.split(separator: " ").first.map(String.init) ?? "" })
        for (part, facts) in try json([path]) {
            #expect(text.contains(part.replacing("_", with: " ") + "\n"))
            for key in facts.keys { #expect(lines.contains(String(key.split(separator: "_")[0])), "\(key)") }
        }
    }

    @Test func packedWeightsCountAsWhatTheyStandFor() throws {
        let found = try json([model("bnb_tiny_llama")])
        let kinds = try #require(found["weights"])
        let (packed, plain) = (kinds["NF4"] as? [String: Int], kinds["BF16"] as? [String: Int])
        #expect(packed?["tensors"] == 14)
        #expect((packed?["parameters"] ?? 0) + (plain?["parameters"] ?? 0) == kinds["parameters"] as? Int)
    }

    @Test func windowsAndTheRestOfAModelOfTextAndImages() throws {
        let found = try json([model("families/gemma3-1")])
        let window = try #require(found["shape"]?["window"] as? [String: Int])
        #expect(window == ["tokens": 6, "layers": 3])
        #expect(try #require(found["use"]?["passed_over"] as? Int) > 0)
        #expect(found["use"]?["export_gguf"] as? Bool == false)
    }

    @Test("What cannot be used is described as far as it goes, with the reason")
    func modelsThatCannotBeUsed() throws {
        let experts = try json([model("families/llama-1", changing: ["model_type": "mixtral"])])
        #expect(experts["use"]?["loads"] as? Bool == false)
        #expect((experts["use"]?["reason"] as? String)?.contains("a mixture of experts") == true)
        #expect(experts["model"]?["architecture"] as? String == "mixtral")
        #expect(experts["weights"]?["parameters"] as? Int ?? 0 > 0 && experts["shape"] == nil)

        let textless = try json([Fixture.url("families/llama-1").path])
        #expect(textless["use"]?["loads"] as? Bool == false && textless["shape"] != nil)
        #expect((textless["use"]?["reason"] as? String)?.contains("tokenizer.json") == true)
    }

    @Test func adaptersAndWhetherTheyFit() throws {
        let adapter = Fixture.url("families/llama-1/adapter").path
        let fitting = try json([adapter, "--model", Fixture.url("families/llama-1").path])
        #expect(fitting["use"]?["loads"] as? Bool == true)
        #expect(fitting["adapter"]?["rank"] as? Int == 2 && fitting["adapter"]?["adapted_modules"] as? Int == 21)
        let other = try json([adapter, "--model", Fixture.url("families/llama-2").path])
        #expect(other["use"]?["loads"] as? Bool == false)
        #expect((other["use"]?["reason"] as? String)?.contains("the adapter was made for another model") == true)
        let dora = try json([Fixture.url("families/adapters/llama-1-dora").path])
        #expect((dora["use"]?["reason"] as? String)?.contains("use_dora") == true)
        #expect((dora["adapter"]?["other_tensors"] as? [String])?.count == 21)
    }

    @Test(arguments: ["nothing-there", "empty"])
    func whatIsNoModelEndsWithOneLine(name: String) throws {
        let path = folder.url.appending(path: name).path
        if name == "empty" { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        let outcome = try Program.run(["inspect", path])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1 && outcome.output.isEmpty, "\(outcome.errors)")
    }

    /// A file's words must not steer the terminal.
    @Test func namesInFilesAreShownWithoutControlCharacters() throws {
        let outcome = try Program.run([
            "inspect", model("families/llama-1", changing: ["model_type": "\u{1B}[2Jwiped\u{7}"]),
        ])
        #expect(outcome.output.contains("wiped") && !outcome.output.unicodeScalars.contains("\u{1B}"))
    }
}
