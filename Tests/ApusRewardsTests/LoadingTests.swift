import ApusData
import ApusPython
import ApusRewards
import ApusTestSupport
import Foundation
import Testing

@Suite("Python rewards that cannot be loaded are refused before a run begins", .serialized)
struct LoadingTests {
    @Test(
        "Bad input 28: the message names the function and the reason",
        arguments: [
            (
                "import nowhere_to_be_found",
                "loading it raised ModuleNotFoundError: No module named 'nowhere_to_be_found'"
            ),
            ("x = 1\ndef f(:", "found a syntax error: invalid syntax (rewards.py, line 2)"),
            ("def g(**kwargs): pass\ndef _h(): pass", "it has no 'f'; its functions are g"),
            ("", "it has no 'f'; it defines no functions"), ("f = 3", "'f' is 3 (int), not a function"),
            ("class f: pass", "'f' is a class"), ("raise SystemExit(2)", "loading it called exit(2)"),
            ("import os\nos._exit(7)", "ended its process: exit status 7"),
            ("import time\ntime.sleep(1e9)", "did not return within 5 s"),
        ])
    func refusals(source: String, reason: String) async throws {
        let python = try PythonSuite(source) { $0.loadTimeout = .seconds(5) }
        let error = try await #require(throws: PythonLoadError.self) { try await python.suite.start() }
        #expect(error.description.contains("rewards.py:f"), "\(error)")
        #expect(error.description.contains(reason), "\(error)")
    }

    @Test("An interpreter that is none is named")
    func interpreter() async throws {
        let python = try PythonSuite("def f(**kwargs): pass") { $0.interpreter = "no-such-python" }
        let error = try await #require(throws: PythonLoadError.self) { try await python.suite.start() }
        #expect(error.description.hasPrefix("python: 'no-such-python' does not start ("))
        #expect(error.description.hasSuffix("); give the path of a Python 3 (python)"))
    }

    @Test("A function that cannot be called as TRL calls it is refused on one sample, and the error shows the call")
    func check() async throws {
        let source = "def f(completions, question): return [0.0] * len(completions)"
        let sample = Sample(prompt: .text("2 + 2 ="), columns: ["answer": "4"])
        let python = try PythonSuite(source)
        let error = try await #require(throws: RewardError.self) { try await python.suite.check(on: sample) }
        #expect(error.description.contains("f() missing 1 required positional argument: 'question'"), "\(error)")
        #expect(error.description.contains("f(answer=['4', ...]"), "\(error)")
        #expect(
            error.description.contains("prompts=['2 + 2 =', ...], trainer_state=..., log_extra=..., log_metric=...)"))
        let lenient = try PythonSuite(source, policy: .missing)
        #expect(try await lenient.suite.check(on: sample).count == 1)
    }

    @Test("A reward that works passes the check, built-in ones without a process")
    func checkPasses() async throws {
        let sample = Sample(prompt: .text("2 + 2 ="), columns: ["answer": "4"])
        let python = try PythonSuite("def f(completions, **kwargs): return [0.0] * len(completions)")
        #expect(try await python.suite.check(on: sample).isEmpty)
        #expect(try await RewardSuite(["tutorial"]).check(on: sample).isEmpty)
    }
}
