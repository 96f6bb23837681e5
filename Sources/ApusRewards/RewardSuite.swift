public import ApusData
public import ApusPython
import Foundation

/// The reward functions that a configuration declares, with the processes that some of them run in.
///
/// ``stop()`` ends these processes; they also end, with everything that they started, when this process does.
public final class RewardSuite: Sendable {
    /// The functions in the order of the declarations, sets spread out.
    public let functions: [any RewardFunction]
    private let workers: [PythonWorker]
    private let policy: RewardFailurePolicy

    /// Prepares the functions; nothing runs yet.
    ///
    /// - Parameter declarations: As ``RewardDeclaration/resolved(in:)`` gives them.
    /// - Throws: ``RewardDeclarationError`` or ``RewardParameterError``.
    public init(
        _ declarations: [RewardDeclaration], python options: PythonOptions = PythonOptions(),
        failure policy: RewardFailurePolicy = .stop
    ) throws {
        let python = try PythonFunctions(declarations, options)
        var functions: [any RewardFunction] = []
        for declaration in declarations {
            switch declaration.kind {
            case .builtIn: functions += try BuiltInRewards.functions(named: [declaration.name])
            case .configured(let reward): functions.append(try reward.function(parameters: declaration.parameters))
            case .endpoint:
                let endpoint = try EndpointOptions(declaration)
                functions.append(
                    EndpointReward(
                        name: endpoint.label, url: endpoint.url, timeout: endpoint.timeout ?? options.timeout,
                        retries: endpoint.retries))
            case .python(let function):
                let label = try declaration.label(or: function.name)
                functions.append(python.reward(function, label: label, policy))
            case nil: throw RewardDeclarationError(declaration.name, "is no reward that there is")
            }
        }
        self.functions = functions
        self.workers = python.workers
        self.policy = policy
    }

    /// Starts the Python processes and imports the files.
    ///
    /// - Throws: ``PythonLoadError`` when a file or function cannot be loaded, or there is no interpreter.
    public func start() async throws {
        for worker in workers {
            do {
                try await worker.start()
            } catch let failure as WorkerFailure {
                throw PythonLoadError(reason: "python: \(failure)")
            }
        }
    }

    /// Calls each function on two completions of one sample, so that one that cannot be called, or misses a column, shows before
    /// anything takes long.
    ///
    /// - Returns: What went wrong, where failures are to be taken as missing scores.
    /// - Throws: ``RewardError`` of the first function that fails, where the run is to stop.
    public func check(on sample: Sample) async throws -> [RewardError] {
        let answer = sample.columns["answer"]?.answerText ?? "1"
        let completions = [
            "<reasoning>\nThis is a test.\n</reasoning>\n<answer>\n\(answer)\n</answer>\n", "This is a test.",
        ]
        let context = RewardContext(
            samples: [sample, sample], completions: completions, completionTokens: [[1, 2, 3], [1, 2]])
        return try await RewardTable(functions, on: context, failure: policy).failures.map(\.first)
    }

    /// Arguments of Python functions that a column of the data cannot replace.
    private static let arguments: Set = [
        "prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric",
    ]

    /// The columns of a sample that Python functions do not get, since the trainer has arguments of these names.
    public func hiddenColumns(of sample: Sample) -> [String] {
        workers.isEmpty ? [] : Self.arguments.intersection(sample.columns.keys).sorted()
    }

    /// Ends the processes and all that they started.
    public func stop() {
        for worker in workers { worker.stop() }
    }

    deinit { stop() }
}

/// The Python functions of a suite, dealt out to workers in turn.
private struct PythonFunctions {
    private static let calls = PackageResources.reward_calls_py + Array("\n\n".utf8) + PackageResources.math_rewards_py
    let workers: [PythonWorker]
    private let functions: [PythonFunction]

    init(_ declarations: [RewardDeclaration], _ options: PythonOptions) throws {
        var functions: [PythonFunction] = []
        for case .python(let function)? in declarations.map(\.kind) where !functions.contains(function) {
            functions.append(function)
        }
        let count = min(max(options.workers, 1), functions.count)
        self.functions = functions
        workers = (0..<count).map { worker in
            let own = stride(from: worker, to: functions.count, by: count).map { functions[$0] }
            return PythonWorker(functions: own, calls: Self.calls, options: options)
        }
    }

    func reward(_ function: PythonFunction, label: String, _ policy: RewardFailurePolicy) -> PythonReward {
        let place = functions.firstIndex(of: function) ?? 0
        return PythonReward(
            name: label, function: function, worker: workers[place % workers.count], index: place / workers.count,
            stopsAtFirstFailure: policy == .stop)
    }
}
