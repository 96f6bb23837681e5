import ApusData
import ApusPython
import ApusRewards
import ApusTestSupport
import Foundation
import Testing

@Suite("Python rewards are called as TRL calls them")
struct CallTests {
    /// What the function saw, as its text of the arguments.
    private func seen(_ context: RewardContext) async throws -> String {
        let source = """
            import os
            def f(**kwargs):
                state = kwargs.pop('trainer_state')
                names = sorted(key for key in kwargs if callable(kwargs[key]))
                rest = {key: value for key, value in sorted(kwargs.items()) if key not in names}
                text = f'{rest} {names} {state.global_step} {state.max_steps} {state.epoch}'
                open(os.path.join(os.path.dirname(__file__), 'seen'), 'w').write(text)
                return [0] * len(kwargs['prompts'])
            """
        let python = try PythonSuite(source)
        _ = try await python.table(context)
        return try python.written("seen")
    }

    @Test("Conversations are lists of messages, with every column, the tokens and the trainer's state")
    func conversation() async throws {
        #expect(
            try await seen(.conversation(["a", "b"])) == """
                {'answer': ['4', '4'], 'completion_ids': [[7, 8], [7, 8]], 'completions': \
                [[{'role': 'assistant', 'content': 'a'}], [{'role': 'assistant', 'content': 'b'}]], 'level': [3.0, 3.0], \
                'prompts': [[{'role': 'system', 'content': 'Calculate.'}, {'role': 'user', 'content': '2 + 2?'}], \
                [{'role': 'system', 'content': 'Calculate.'}, {'role': 'user', 'content': '2 + 2?'}]]} \
                ['log_extra', 'log_metric'] 5 20 0.25
                """)
    }

    @Test("Plain prompts and their completions are texts; a column that a row lacks is None")
    func plain() async throws {
        let samples = [Sample(prompt: .text("2 + 2 ="), columns: ["kind": "add"]), Sample(prompt: .text("1 - 1 ="))]
        let context = RewardContext(samples: samples, completions: ["4\u{1F600}", "0"], completionTokens: [[1], []])
        #expect(
            try await seen(context) == """
                {'completion_ids': [[1], []], 'completions': ['4\u{1F600}', '0'], 'kind': ['add', None], \
                'prompts': ['2 + 2 =', '1 - 1 =']} ['log_extra', 'log_metric'] 0 0 0.0
                """)
    }

    @Test("Integers of any size arrive whole, and go back into the completions as they are")
    func bigIntegers() async throws {
        let numbers = [
            "9007199254740993", "12345678901234567890123", "18446744073709551616",
            "1" + String(repeating: "7", count: 60),
        ]
        let source = """
            def f(n, completions, log_extra, **kwargs):
                log_extra('same', [m for m in n])
                log_extra('next', [m + 1 for m in n])
                return [float(str(m) == c[0]['content']) for m, c in zip(n, completions)]
            """
        let python = try PythonSuite(source)
        let rows = numbers.map { #"{"question": "q", "n": \#($0)}"# }.joined(separator: "\n")
        let samples = try Dataset(path: python.folder.write(Data(rows.utf8), as: "rows.jsonl")).samples
        let tokens = numbers.map { _ in [Int32(1)] }
        let table = try await python.table(
            RewardContext(samples: samples, completions: numbers, completionTokens: tokens))
        #expect(table.rows == numbers.map { _ in [1] })
        // What Foundation's decoder does not read as a number is text.
        #expect(table.extraColumns["same"] == samples.dropLast().compactMap { $0.columns["n"] } + [.string(numbers[3])])
        #expect(table.extraColumns["next"]?.first == .number(9_007_199_254_740_994))
    }

    @Test("Coroutines are awaited; partial functions, callable instances and methods are functions")
    func kindsOfFunction() async throws {
        let source = """
            import asyncio, functools
            async def waits(completions, **kwargs):
                return await asyncio.gather(*[asyncio.sleep(0.01, result=float(i)) for i in range(len(completions))])
            def scaled(scale, completions, **kwargs): return [scale] * len(completions)
            partial = functools.partial(scaled, 0.25)
            class Judge:
                def __init__(self, value): self.value = value
                def __call__(self, completions, **kwargs): return (self.value for _ in completions)
                def twice(self, completions, **kwargs): return (self.value * 2,) * len(completions)
            judge = Judge(3)
            """
        let python = try PythonSuite(source, functions: ["waits", "partial", "judge", "judge.twice"])
        let table = try await python.table(.conversation(["a", "b"]))
        #expect(table.names == ["waits", "partial", "judge", "judge.twice"])
        #expect(table.rows == [[0, 0.25, 3, 6], [1, 0.25, 3, 6]])
    }

    @Test("log_metric and log_extra arrive; what a function keeps between calls is kept")
    func logs() async throws {
        let source = """
            calls = 0
            def f(completions, log_metric, log_extra, **kwargs):
                global calls
                calls += 1
                log_metric('calls', calls)
                log_metric('calls', calls + 1)
                log_metric('odd', float('nan'))
                log_extra('length', [len(c[0]['content']) for c in completions])
                log_extra('text', ['x', None])
                return [0.0, 0.0]
            """
        let python = try PythonSuite(source)
        for call in [1.0, 2.0] {
            let table = try await RewardTable(python.suite.functions, on: .conversation(["a", "bcd"]))
            #expect(table.metrics == ["calls": [call, call + 1], "odd": []])
            #expect(table.extraColumns == ["length": [1.0, 3.0], "text": ["x", .null]])
        }
        python.suite.stop()
    }

    @Test("log_extra with another number of values is refused")
    func wrongExtra() async throws {
        let source =
            "def f(completions, log_extra, **kwargs):\n    log_extra('x', [1])\n    return [0.0] * len(completions)"
        let message = try await PythonSuite(source).failure()
        #expect(message == "reward 'f' failed: gave log_extra('x') 1 values for 6 completions")
    }

    @Test("Numbers of other libraries count: whatever has item(), fractions, decimals, and truth values as in TRL")
    func numbers() async throws {
        let source = """
            import decimal, fractions
            class Scalar:
                def __init__(self, value): self.value = value
                def item(self): return self.value
            def f(completions, **kwargs):
                return [Scalar(0.5), Scalar(float('nan')), fractions.Fraction(1, 4), decimal.Decimal('0.125'), True, -0.0]
            """
        #expect(try await PythonSuite(source).table(.six).rows == [[0.5], [nil], [0.25], [0.125], [1], [0]])
    }

    @Test("A time limit of a function's own works: no signal is blocked, and none ignored that Python does not")
    func alarms() async throws {
        let source = """
            import signal, time
            class Late(Exception): pass
            def late(*_): raise Late()
            def f(completions, **kwargs):
                assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
                signal.signal(signal.SIGALRM, late)
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                try:
                    time.sleep(10)
                except Late:
                    return [1] * len(completions)
            """
        #expect(try await PythonSuite(source).table(.conversation(["a"])).rows == [[1]])
    }

    @Test("Coroutines of all calls run in one loop: what a function keeps between calls belongs to it")
    func oneLoop() async throws {
        let source = """
            import asyncio
            gate = None
            async def f(completions, **kwargs):
                global gate
                gate = gate or asyncio.Semaphore(1)
                async def one():
                    async with gate:
                        await asyncio.sleep(0.001)
                        loop = id(asyncio.get_running_loop())
                        return loop == kept.setdefault('loop', loop)
                return await asyncio.gather(*(one() for _ in completions))
            kept = {}
            """
        let python = try PythonSuite(source)
        defer { python.suite.stop() }
        for _ in 0..<2 {
            let table = try await RewardTable(python.suite.functions, on: .six, failure: .stop)
            #expect(table.rows == Array(repeating: [1], count: 6))
        }
    }

    @Test("A function that names its arguments gets those, and trainer_state has transformers' fields")
    func namedArguments() async throws {
        let source = """
            def f(completions, answer, trainer_state):
                state = trainer_state
                whole = state.is_world_process_zero and state.log_history == [] and state.best_metric is None
                return [float(whole and state.num_train_epochs == 0 and state.global_step == 5)] * len(answer)
            """
        #expect(try await PythonSuite(source).table(.conversation(["a"])).rows == [[1]])
    }

    @Test("A file in a package is its module there, whose relative imports work")
    func packages() async throws {
        let python = try PythonSuite("f = None")
        let package = python.folder.url.appending(path: "mylib/deep")
        try FileManager.default.createDirectory(at: package, withIntermediateDirectories: true)
        for (name, text) in [
            ("mylib/__init__.py", ""), ("mylib/deep/__init__.py", ""), ("mylib/parts.py", "VALUE = 3"),
            (
                "mylib/deep/score.py",
                "from ..parts import VALUE\ndef f(completions, **k): return [VALUE] * len(completions)"
            ),
        ] { try Data(text.utf8).write(to: python.folder.url.appending(path: name)) }
        let folder = python.folder.url.path
        let suite = try RewardSuite(
            [try RewardDeclaration("mylib.deep.score.f").resolved(in: [folder])], python: PythonOptions(),
            failure: .stop)
        defer { suite.stop() }
        let table = try await RewardTable(suite.functions, on: .conversation(["a"]), failure: .stop)
        #expect(table.rows == [[3]])
    }

    @Test("A file imports its neighbours, and a module beside the configuration is found by its dotted name")
    func modules() async throws {
        let python = try PythonSuite("from helper import score as f")
        _ = try python.folder.write(
            Data("def score(completions, **kwargs): return [7.0] * len(completions)".utf8), as: "helper.py")
        #expect(try await python.table(.conversation(["a"])).rows == [[7]])
        let folder = python.folder.url.path
        let declaration = try RewardDeclaration("helper.score").resolved(in: [folder])
        #expect(declaration.name == "\(folder)/helper.py:score")
    }
}
