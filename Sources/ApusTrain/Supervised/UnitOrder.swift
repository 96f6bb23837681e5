/// The order in which the units of each pass over the data are trained on: PyTorch's for the same seed.
struct UnitOrder {
    private let count: Int
    private let shuffles: Bool
    private var generator: MersenneTwister

    init(_ configuration: SFTConfiguration, count: Int) {
        self.count = count
        shuffles = configuration.shuffleDataset
        generator = MersenneTwister(seed: UInt32(truncatingIfNeeded: configuration.dataSeed ?? configuration.seed))
    }

    /// The order of the next pass.
    mutating func next() -> [Int] { shuffles ? generator.permutation(count) : Array(0..<count) }
}
