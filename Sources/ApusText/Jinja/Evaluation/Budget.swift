extension ChatTemplate {
    /// How much a template may do. Templates come with downloaded models: one that loops, recurses or writes without
    /// end fails with an error instead of taking the process down.
    public struct Limits: Sendable, Equatable {
        /// Statements and expressions evaluated; handling long strings and lists counts in proportion.
        public var steps: Int
        /// Levels of statements, expressions and macros within each other.
        public var depth: Int
        /// Bytes of text written.
        public var outputBytes: Int
        /// Bytes of text made on the way, whether it is written or not.
        public var textBytes: Int

        /// Makes limits; the defaults are a hundred times above what long conversations need.
        public init(
            steps: Int = 10_000_000, depth: Int = 200, outputBytes: Int = 16 << 20, textBytes: Int = 64 << 20
        ) {
            self.steps = steps
            self.depth = depth
            self.outputBytes = outputBytes
            self.textBytes = textBytes
        }
    }
}

/// What a rendering has used of its limits.
struct Budget {
    let limits: ChatTemplate.Limits
    private var steps = 0
    private var textBytes = 0
    private var depth = 0

    init(_ limits: ChatTemplate.Limits) { self.limits = limits }

    private func exceeded(_ limit: String, line: Int) -> TextError {
        TextError(code: .templateLimit, message: "more than \(limit); the template is broken or hostile", line: line)
    }

    mutating func spend(steps count: Int, line: Int) throws(TextError) {
        steps += count
        guard steps <= limits.steps else { throw exceeded("\(limits.steps) steps", line: line) }
    }

    /// Accounts for text that is about to be made or read.
    mutating func spend(bytes: Int, line: Int) throws(TextError) {
        guard bytes <= limits.textBytes - textBytes else {
            throw exceeded("\(limits.textBytes) bytes of text", line: line)
        }
        textBytes += bytes
        try spend(steps: bytes / 64, line: line)
    }

    func checkOutput(bytes: Int, line: Int) throws(TextError) {
        guard bytes <= limits.outputBytes else { throw exceeded("\(limits.outputBytes) bytes of output", line: line) }
    }

    mutating func enter(line: Int) throws(TextError) {
        depth += 1
        guard depth <= limits.depth else { throw exceeded("\(limits.depth) levels of nesting", line: line) }
    }

    mutating func leave() { depth -= 1 }
}
