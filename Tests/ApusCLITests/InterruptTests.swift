import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Ctrl-C in `apus generate` and `apus chat`.
@Suite(.serialized) struct InterruptTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.url.appending(path: name).path }

    /// The tiny model with a context and an end token that no test reaches: its answers only end when they are stopped.
    private func endlessModel() throws -> String {
        let copy = path("model")
        if FileManager.default.fileExists(atPath: copy) { return copy }
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        for (name, changes) in [
            ("config.json", ["max_position_embeddings": 50_000.0, "eos_token_id": 1.0]),
            ("tokenizer_config.json", ["eos_token": "<|user|>"]),
        ] as [(String, [String: JSONValue])] {
            let file = URL(filePath: copy).appending(path: name)
            let members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file))
            try JSONEncoder().encode(members.merging(changes) { $1 }).write(to: file)
        }
        return copy
    }

    /// Runs the program and interrupts it once what it wrote satisfies `isTime`.
    private func interrupted(
        _ arguments: [String], _ signal: Int32 = SIGINT, when isTime: (_ output: String, Process) throws -> Bool
    ) throws -> Program.Outcome {
        let process = Process()
        process.executableURL = Program.executable
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        var text = ""
        var isSent = false
        let descriptor = output.fileHandleForReading.fileDescriptor
        while true {
            if !isSent, try isTime(text, process) {
                kill(process.processIdentifier, signal)
                isSent = true
            }
            var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&event, 1, 20) > 0 else { continue }
            let bytes = output.fileHandleForReading.availableData
            guard !bytes.isEmpty else { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(isSent)
        return Program.Outcome(status: process.terminationStatus, output: text, errors: complaints)
    }

    private func manyPrompts() throws -> String {
        try folder.write(Data((1...3000).map { "\($0)+\($0)=\n" }.joined().utf8), as: "prompts.txt")
    }

    private func generate(_ arguments: [String]) -> [String] {
        ["generate", "--model", model, "--precision", "bf16", "--max-new-tokens", "12"] + arguments
    }

    @Test(
        "Bad input 37: a batch that is interrupted writes what is finished",
        arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
    func batch(signal: Int32, status: Int32) throws {
        let outcome = try interrupted(generate(["--prompts", manyPrompts(), "--n", "2"]), signal) { output, _ in
            output.contains("\n")
        }
        #expect(outcome.status == status, "\(outcome.errors)")
        let lines = try outcome.output.split(separator: "\n").map {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))
        }
        #expect(lines.count < 6000)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.hasSuffix("; \(lines.count) of 6000 are written\n"), "\(outcome.errors)")
        let places = lines.map { ($0["prompt_index"]?.number ?? -1) * 2 + ($0["sample"]?.number ?? -1) }
        #expect(places == places.sorted() && Set(places).count == places.count)
    }

    @Test("Bad input 43: a file is replaced when its successor is complete, or interrupted, and not before")
    func replacedFile() throws {
        let file = try folder.write(Data("old\n".utf8), as: "out.jsonl")
        let arguments = generate(["--prompts", try manyPrompts(), "--n", "2", "--output", file])
        let refused = try Program.run(arguments)
        #expect(refused.status == 2 && refused.errors.contains("out.jsonl exists; give a new name, or --overwrite"))
        let outcome = try interrupted(arguments + ["--overwrite"]) { _, process in
            let draft = path(".out.jsonl.\(process.processIdentifier).draft")
            let isGrowing = (try? Data(contentsOf: URL(filePath: draft)))?.isEmpty == false
            let content = try String(contentsOfFile: file, encoding: .utf8)
            #expect(content == "old\n")
            return isGrowing
        }
        #expect(outcome.status == 130 && outcome.output.isEmpty, "\(outcome.errors)")
        let count = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count
        #expect(outcome.errors.hasSuffix("; \(count) of 6000 are written\n"), "\(outcome.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).count == 2)
        let whole = try Program.run(generate(["--prompt", "1+1=", "--output", file, "--overwrite"]))
        #expect(whole.status == 0, "\(whole.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count == 1)
    }

    @Test("Bad input 46: an output that is a link, a folder, or what is read is refused")
    func outputsThatPointElsewhere() throws {
        let prompts = try folder.write(Data("1+1=\n".utf8), as: "prompts.txt")
        let target = try folder.write(Data("old\n".utf8), as: "target")
        try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: target)
        try FileManager.default.createSymbolicLink(atPath: path("dangling"), withDestinationPath: path("nowhere"))
        for (output, message) in [
            (path("link"), "is a symbolic link"), (path("dangling"), "is a symbolic link"), (path("."), "is a folder"),
            (prompts, "is what is read"), (path("no/out"), "there is no folder"),
        ] {
            let outcome = try Program.run(generate(["--prompts", prompts, "--output", output, "--overwrite"]))
            #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
        }
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "old\n")
        #expect(!FileManager.default.fileExists(atPath: path("nowhere")))
        let alone = try Program.run(generate(["--prompt", "1", "--overwrite"]))
        #expect(alone.status == 2 && alone.errors.contains("--overwrite is for --output"))
    }

    @Test("Bad input 37: an answer that streams ends with its line and 130")
    func streaming() throws {
        let outcome = try interrupted([
            "generate", "--model", try endlessModel(), "--precision", "bf16", "--temperature", "0", "--prompt", "1+1=",
            "--max-new-tokens", "49000",
        ]) { output, _ in output.count > 20 }
        #expect(outcome.status == 130, "\(outcome.errors)")
        #expect(outcome.output.hasSuffix("\n"))
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.hasPrefix("apus: stopped by SIGINT after "), "\(outcome.errors)")
    }

    #if os(Linux)
        private func chat(
            _ script: [(wanted: Regex<Substring>, then: PseudoTerminal.Action)]
        ) throws -> (status: Int32, output: String) {
            try PseudoTerminal.converse(
                [
                    "chat", "--model", try endlessModel(), "--precision", "bf16", "--temperature", "0",
                    "--max-new-tokens", "20000",
                ], environment: ["TERM": "dumb"], script)
        }

        @Test("Bad input 37: Ctrl-C stops an answer, and the conversation goes on")
        func chatGoesOn() throws {
            let saved = path("talk.json")
            let run = try chat([
                (#/> /#, .type("1+1=\n")), (#/1\+1=[\s\S]{40}/#, .interrupt),
                (#/\s> /#, .type("2+2=\n")), (#/2\+2=[\s\S]{40}/#, .interrupt),
                (#/\s> /#, .type("/save \(saved)\n")), (#/saved 4 messages/#, .type("/exit\n")),
            ])
            #expect(run.status == 0, "\(run.output)")
            let messages = try JSONDecoder().decode([Message].self, from: Data(contentsOf: URL(filePath: saved)))
            #expect(messages.map(\.role) == ["user", "assistant", "user", "assistant"])
            #expect(messages[1].content.count >= 20 && messages[2].content == "2+2=")
        }

        @Test("Bad input 37: Ctrl-C at the prompt ends a chat, also after one that stopped an answer")
        func chatEnds() throws {
            let run = try chat([(#/> /#, .interrupt)])
            #expect(run.status == 130, "\(run.output)")
            let second = try chat([
                (#/> /#, .type("1+1=\n")), (#/1\+1=[\s\S]{40}/#, .interrupt), (#/\s> /#, .interrupt),
            ])
            #expect(second.status == 130, "\(second.output)")
        }
    #endif
}
