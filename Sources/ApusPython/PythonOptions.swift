import Foundation

/// How the user's Python functions are run.
public struct PythonOptions: Sendable, Equatable {
    /// The interpreter: a path, or a name to find in `PATH`; nil for the active virtual environment's, else `python3`.
    public var interpreter: String?
    /// Processes among which the functions are dealt out; each function always runs in the same one.
    public var workers: Int
    /// The longest that one call may take.
    public var timeout: Duration
    /// Bytes of address space that each process may have; nil for no limit.
    public var memoryLimit: Int?
    /// The longest that importing the files may take.
    public var loadTimeout: Duration
    /// Called with each line that the functions print, which must not be mixed into the run's own display.
    public var onOutput: @Sendable (String) -> Void

    /// Bytes that a file may grow to when a function writes it: room for logs, not for filling a disk by mistake.
    static let fileLimit = 1 << 30
    /// Threads and processes that a function may have beside those that its user already has.
    static let processLimit = 1024

    /// The defaults: one process, a minute a call, 8 GiB.
    public init(
        interpreter: String? = nil, workers: Int = 1, timeout: Duration = .seconds(60),
        memoryLimit: Int? = 8 << 30, loadTimeout: Duration = .seconds(120),
        onOutput: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.interpreter = interpreter
        self.workers = workers
        self.timeout = timeout
        self.memoryLimit = memoryLimit
        self.loadTimeout = loadTimeout
        self.onOutput = onOutput
    }

    /// Options differ in what they do to a run; where output goes is no part of that.
    public static func == (left: PythonOptions, right: PythonOptions) -> Bool {
        left.interpreter == right.interpreter && left.workers == right.workers && left.timeout == right.timeout
            && left.memoryLimit == right.memoryLimit && left.loadTimeout == right.loadTimeout
    }

    /// The interpreter of the virtual environment that is active, else what the path has.
    package static var defaultInterpreter: String {
        guard let environment = ProcessInfo.processInfo.environment["VIRTUAL_ENV"], !environment.isEmpty else {
            return "python3"
        }
        let path = environment + "/bin/python"
        return FileManager.default.isExecutableFile(atPath: path) ? path : "python3"
    }
}
