import ApusData
import ApusPython
import ApusRewards
import ApusTestSupport
import Foundation
import Testing

@Suite("Declarations of rewards are checked before anything runs")
struct DeclarationTests {
    @Test("Names stand for built-in functions, sets, kinds, Python functions and servers")
    func kinds() throws {
        #expect(RewardDeclaration("tutorial").kind == .builtIn)
        #expect(RewardDeclaration("int_reward_func").kind == .builtIn)
        #expect(RewardDeclaration("regex").kind == .configured(.regex))
        #expect(
            RewardDeclaration("a/b.py:f").kind == .python(PythonFunction(source: .file("a/b.py"), name: "f")))
        #expect(
            RewardDeclaration("trl.rewards.think_format_reward").kind
                == .python(PythonFunction(source: .module("trl.rewards"), name: "think_format_reward")))
        #expect(RewardDeclaration("http://127.0.0.1:8000/score").kind != nil)
        for name in ["nothing", "a.py:", "a.py:f()", "a.py", ":f", "http://", "b.txt:f", ""] {
            #expect(RewardDeclaration(name).kind == nil, "\(name)")
        }
    }

    @Test("Bad input 41: a function tells a continuation what it was made of")
    func identities() throws {
        let suite = try RewardSuite([
            RewardDeclaration("regex", parameters: ["pattern": "a", "score": 0.5, "label": "x"]), "/r/rewards.py:f",
            "package.module.g", "http://127.0.0.1:8000/score", "int_reward_func",
        ])
        #expect(suite.functions.map(\.name).prefix(3) == ["x", "f", "g"])
        #expect(
            suite.functions.map(\.identity) == [
                RewardIdentity(definition: .object(["name": "regex", "pattern": "a", "score": 0.5])),
                RewardIdentity(definition: "f", file: URL(filePath: "/r/rewards.py")),
                RewardIdentity(definition: "package.module.g"),
                RewardIdentity(server: URL(string: "http://127.0.0.1:8000/score")), RewardIdentity(),
            ])
    }

    @Test("A mapping is written and read back; a name without parameters stays a name")
    func coding() throws {
        let declarations: [RewardDeclaration] = [
            "tutorial", RewardDeclaration("regex", parameters: ["pattern": "a", "score": 0.5]),
        ]
        let data = try JSONEncoder().encode(declarations)
        #expect(try JSONDecoder().decode([RewardDeclaration].self, from: data) == declarations)
        #expect(String(decoding: data, as: UTF8.self).hasPrefix("[\"tutorial\",{"))
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([RewardDeclaration].self, from: Data("[{\"pattern\": \"a\"}]".utf8))
        }
    }

    @Test("A Python file is looked for in one folder after the other")
    func paths() throws {
        let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
        let folders = [first.url.path, second.url.path]
        let declaration = RewardDeclaration("rewards.py:f", parameters: ["label": "mine"])
        let error = #expect(throws: RewardDeclarationError.self) { try declaration.resolved(in: folders) }
        #expect(
            error?.description
                == "'rewards.py:f' names rewards.py, which is not in \(folders[0]) and \(folders[1])")
        _ = try second.write(Data(), as: "rewards.py")
        #expect(
            try declaration.resolved(in: folders)
                == RewardDeclaration("\(folders[1])/rewards.py:f", parameters: ["label": "mine"]))
        _ = try first.write(Data(), as: "rewards.py")
        #expect(try declaration.resolved(in: folders).name == "\(folders[0])/rewards.py:f")
    }

    @Test(
        "What cannot be is named",
        arguments: [
            (RewardDeclaration("tutorial", parameters: ["score": 1.0]), "'tutorial' takes no parameters"),
            (RewardDeclaration("regex"), "'regex' needs a pattern"),
            (
                RewardDeclaration("http://localhost", parameters: ["patience": 1.0]),
                "'http://localhost' has no parameter 'patience'; there are label, retries, timeout"
            ),
            (
                RewardDeclaration("http://localhost", parameters: ["timeout": "1"]),
                "'http://localhost' wants a number from 0 to 86400 for timeout"
            ), (RewardDeclaration("m.f", parameters: ["score": 1.0]), "'m.f' has no parameter 'score'; there is label"),
            (RewardDeclaration("nothing"), "'nothing' is no reward that there is"),
        ])
    func refusals(declaration: RewardDeclaration, message: String) {
        let error = #expect(throws: RewardDeclarationError.self) { try declaration.resolved(in: []) }
        #expect(error?.description == message)
    }

    @Test("Sets spread out, labels name, servers are named by host and path")
    func names() throws {
        let suite = try RewardSuite([
            "demo", RewardDeclaration("regex", parameters: ["pattern": "a", "label": "has_a"]),
            RewardDeclaration("m.f", parameters: ["label": "mine"]), "http://user@host:8000/score?key=secret",
        ])
        #expect(
            suite.functions.map(\.name) == BuiltInRewards.sets["demo", default: []] + [
                "has_a", "mine", "host:8000/score",
            ])
    }
}
