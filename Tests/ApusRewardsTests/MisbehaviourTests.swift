import ApusData
import ApusPython
import ApusRewards
import Foundation
import Testing

@Suite("Python rewards that misbehave stop the run or count as missing, and leave nothing behind", .serialized)
struct MisbehaviourTests {
    private func expectMissing(
        _ python: PythonSuite, _ rows: [[Double?]], failures: Int, reason: String
    ) async throws {
        let table = try await python.table(.six, policy: .missing)
        #expect(table.rows == rows)
        #expect(table.failures.map(\.count) == [failures])
        let message = try #require(table.failures.first).first.description
        #expect(message.contains("'f'") && message.contains(reason), "\(message)")
        #expect(!message.contains("\n"))
    }

    private let none = [[Double?]](repeating: [nil], count: 6)

    @Test("Bad input 28: a reward that raises names the function, the completion and the line")
    func raises() async throws {
        let source = "def f(completions, **kwargs):\n    return [1 / (c[0]['content'] != 'c') for c in completions]\n"
        let message = try await PythonSuite(source).failure()
        #expect(message.hasPrefix("reward 'f' failed on completion 2: raised ZeroDivisionError: division by zero"))
        #expect(message.contains("(rewards.py, line 2)"))
        #expect(message.contains("the call was f(answer=['4', ...], completion_ids=[[7, 8], ...], completions=[[{"))
        // Only the completion at fault goes without a score.
        try await expectMissing(
            PythonSuite(source, policy: .missing), [[1], [1], [nil], [1], [1], [1]], failures: 1,
            reason: "completion 2")
    }

    @Test("Bad input 28: a reward that fails on the batch alone fails as a whole")
    func raisesOnTheBatch() async throws {
        let source = """
            def f(completions, **kwargs):
                if len(completions) > 1: raise ValueError("too many")
                return [1.0]
            """
        let message = try await PythonSuite(source).failure()
        #expect(
            message.contains("raised ValueError: too many (rewards.py, line 2), though not on any completion alone"))
        try await expectMissing(PythonSuite(source, policy: .missing), none, failures: 6, reason: "too many")
    }

    @Test("Bad input 29: a reward that hangs is ended in time, and works again on the next batch")
    func hangs() async throws {
        let source = """
            import os, time
            def f(completions, **kwargs):
                if completions[0][0]['content'] == 'a':
                    open(os.path.join(os.path.dirname(__file__), 'pid'), 'w').write(str(os.getpid()))
                    time.sleep(1e9)
                return [1.0] * len(completions)
            """
        let python = try PythonSuite(source) { $0.timeout = .seconds(2) }
        let start = ContinuousClock.now
        let error = try await #require(throws: RewardError.self) {
            try await RewardTable(python.suite.functions, on: .six)
        }
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(
            error.description == "reward 'f' failed: did not return within 2 s; it and what it started were ended "
                + "(called on completions 0 to 5)")
        #expect(!isAlive(try python.written("pid")))
        let after = try await python.table(.conversation(["x", "y"]))
        #expect(after.rows == [[1], [1]])
    }

    @Test("Bad input 29: a reward that hangs in native code, ignoring all signals, is ended too")
    func hangsDeaf() async throws {
        let source = """
            import os, signal, time
            def f(completions, **kwargs):
                for number in range(1, 65):
                    try: signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError): pass
                open(os.path.join(os.path.dirname(__file__), 'pid'), 'w').write(str(os.getpid()))
                while True:
                    try: time.sleep(1e9)
                    except BaseException: pass
            """
        let python = try PythonSuite(source, policy: .missing) { $0.timeout = .seconds(2) }
        try await expectMissing(python, none, failures: 6, reason: "did not return within 2 s")
        #expect(!isAlive(try python.written("pid")))
    }

    @Test(
        "Bad input 30: what is no list of numbers, one for each completion, is refused and never broadcast",
        arguments: [
            ("[1.0] * 5", nil, "returned 5 scores for 6 completions"),
            ("[1.0]", nil, "returned 1 scores for 6 completions"),
            ("[]", nil, "returned 0 scores for 6 completions"),
            ("0.5", nil, "returned 0.5 (float); return a list"),
            ("'abcdef'", nil, "returned 'abcdef' (str); return a list"),
            ("dict.fromkeys(range(6))", nil, "(dict); return a list"), ("None", nil, "returned None (NoneType)"),
            ("[1, 1, 1, '0.5', 1, 1]", 3, "returned '0.5' (str); return a number"),
            ("[1, 1, 1, 1, 1, float('inf')]", 5, "returned inf; return a finite number"),
            ("[-1e400, 1, 1, 1, 1, 1]", 0, "returned -inf; return a finite number"),
            ("[1, 1, [1], 1, 1, 1]", 2, "returned [1] (list); return a number"),
            ("[1, 1, 1, 1, 10 ** 400, 1]", 4, "returned inf; return a finite number"),
        ] as [(String, Int?, String)])
    func wrongValues(result: String, sample: Int?, reason: String) async throws {
        let source = "def f(completions, **kwargs): return \(result)"
        let message = try await PythonSuite(source).failure()
        #expect(
            message.hasPrefix("reward 'f' failed" + (sample.map { " on completion \($0): " } ?? ": ")), "\(message)")
        #expect(message.contains(reason), "\(message)")
        // The other completions keep their scores.
        let rows = (0..<6).map { [sample == nil || $0 == sample ? nil : 1.0] }
        try await expectMissing(
            PythonSuite(source, policy: .missing), rows, failures: sample == nil ? 6 : 1, reason: reason)
    }

    @Test("Bad input 30: None and NaN mean that the reward does not apply")
    func notApplicable() async throws {
        let source = "def f(completions, **kwargs): return [1, None, float('nan'), 0.5, -2, 0]"
        let table = try await PythonSuite(source).table(.six)
        #expect(table.rows == [[1], [nil], [nil], [0.5], [-2], [0]])
        #expect(table.failures.isEmpty)
    }

    @Test("Bad input 31: a reward that calls exit() is caught", arguments: ["exit()", "sys.exit(3)"])
    func exits(call: String) async throws {
        let source = "import sys\ndef f(completions, **kwargs): \(call)"
        try await expectMissing(PythonSuite(source, policy: .missing), none, failures: 6, reason: "called exit(")
    }

    @Test(
        "Bad input 31: a reward that ends its process is named with how it ended",
        arguments: [
            ("os._exit(3)", "ended its process: exit status 3"),
            ("os.kill(os.getpid(), 11)", "ended its process: killed by SIGSEGV"), ("os.abort()", "killed by SIGABRT"),
        ])
    func diesHard(call: String, reason: String) async throws {
        let source = "import os\ndef f(completions, **kwargs): \(call)"
        let message = try await PythonSuite(source).failure()
        #expect(message.hasPrefix("reward 'f' failed: ") && message.contains(reason), "\(message)")
        try await expectMissing(PythonSuite(source, policy: .missing), none, failures: 6, reason: reason)
    }

    @Test("Bad input 31: processes that a reward forks, and that leave its session, end with it")
    func forks() async throws {
        let source = """
            import os, time
            def f(completions, **kwargs):
                for depth in range(3):
                    if os.fork() == 0:
                        os.setsid()
                        if os.fork() != 0: os._exit(0)
                        place = os.path.join(os.path.dirname(__file__), f'pid{depth}')
                        open(place + '.draft', 'w').write(str(os.getpid()))
                        os.rename(place + '.draft', place)
                        time.sleep(1e9)
                while not all(os.path.exists(os.path.join(os.path.dirname(__file__), f'pid{d}')) for d in range(3)):
                    time.sleep(0.01)
                return [1.0] * len(completions)
            """
        let python = try PythonSuite(source)
        let table = try await RewardTable(python.suite.functions, on: .six)
        #expect(table.rows == Array(repeating: [1], count: 6))
        let pids = try (0..<3).map { try python.written("pid\($0)") }
        #expect(pids.allSatisfy(isAlive))
        python.suite.stop()
        #expect(!pids.contains(where: isAlive))
    }

    @Test("Bad input 31: a fork that returns twice gives one answer")
    func forksAndReturns() async throws {
        let source = "import os\ndef f(completions, **kwargs):\n    os.fork()\n    return [1.0] * len(completions)"
        let python = try PythonSuite(source)
        for _ in 0..<3 {
            let table = try await RewardTable(python.suite.functions, on: .six)
            #expect(table.rows == Array(repeating: [1], count: 6))
        }
        python.suite.stop()
    }

    @Test("Bad input 31: a fork bomb is ended")
    func forkBomb() async throws {
        let source = """
            import os, time
            def f(completions, **kwargs):
                for _ in range(6):
                    os.fork()
                open(os.path.join(os.path.dirname(__file__), 'pids'), 'a').write(f'{os.getpid()} ')
                time.sleep(1e9)
            """
        let python = try PythonSuite(source, policy: .missing) { $0.timeout = .seconds(3) }
        try await expectMissing(python, none, failures: 6, reason: "did not return within 3 s")
        let pids = try python.written("pids").split(separator: " ").map(String.init)
        #expect(pids.count > 1)
        #expect(!pids.contains(where: isAlive))
    }

    @Test(
        "Bad input 31: garbage on standard output is no answer and reaches the log", arguments: ["print", "os.write"])
    func printsGarbage(how: String) async throws {
        let output = Collected()
        let print = how == "print" ? "print('\\x00\\x00\\x00\\x02{}' * 3)" : "os.write(1, b'\\xff' * 300000 + b'\\n')"
        let source = "import os\ndef f(completions, **kwargs):\n    \(print)\n    return [1.0] * len(completions)"
        let table = try await PythonSuite(source, options: { $0.onOutput = { output.add($0) } }).table(.six)
        #expect(table.rows == Array(repeating: [1], count: 6))
        #expect(output.lines.count == 1)
        #expect((output.lines.first?.count ?? 0) <= 1000)
    }

    @Test("Bad input 31: a reward that reads standard input finds it empty")
    func readsInput() async throws {
        let source =
            "import sys\ndef f(completions, **kwargs): return [float(len(sys.stdin.read()))] * len(completions)"
        #expect(try await PythonSuite(source).table(.six).rows == Array(repeating: [0], count: 6))
    }

    @Test("Bad input 31: a reward that wants 10 GB gets an error, and works again on the next batch")
    func allocates() async throws {
        let source = """
            def f(completions, **kwargs):
                if len(completions) == 6: return [float(len(bytearray(10 << 30)))]
                return [1.0] * len(completions)
            """
        let python = try PythonSuite(source, policy: .missing) { $0.memoryLimit = 1 << 30 }
        let table = try await RewardTable(python.suite.functions, on: .six, failure: .missing)
        #expect(table.rows.allSatisfy { $0 == [nil] } == false || table.failures.first?.count == 6)
        let message = try #require(table.failures.first).first.description
        #expect(message.contains("needed more memory than reward_memory_limit allows"))
        #expect(try await python.table(.conversation(["x", "y"])).rows == [[1], [1]])
    }

    @Test("Bad input 31: a reward cannot fill the disk")
    func writes() async throws {
        let source = """
            import os
            def f(completions, **kwargs):
                with open(os.path.join(os.path.dirname(__file__), 'big'), 'wb') as file:
                    file.truncate(10 << 30)
            """
        let message = try await PythonSuite(source).failure()
        #expect(message.contains("File too large"), "\(message)")
    }

    @Test("No descriptor of this process reaches a reward")
    func descriptors() async throws {
        // The lock of an output folder would stay taken as long as a reward's process lives.
        let folder = FileManager.default.temporaryDirectory.appending(path: "apus-lock-\(UUID().uuidString)")
        try Data().write(to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let lock = try FileHandle(forUpdating: folder)
        let source = """
            import os
            def f(completions, **kwargs):
                links = []
                for entry in os.listdir('/proc/self/fd'):
                    try: links.append(os.readlink('/proc/self/fd/' + entry))
                    except OSError: pass
                open(os.path.join(os.path.dirname(__file__), 'fds'), 'w').write('\\n'.join(links))
                return [1.0] * len(completions)
            """
        let python = try PythonSuite(source)
        _ = try await python.table(.six)
        let links = try python.written("fds")
        #expect(!links.contains("apus-lock"), "\(links)")
        #expect(links.split(separator: "\n").count <= 8, "\(links)")
        try lock.close()
    }
}
