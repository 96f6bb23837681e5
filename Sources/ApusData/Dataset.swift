// What columns hold, and why data cannot be read: whoever reads data reads these.
@_exported public import enum ApusFormats.JSONValue
@_exported public import struct ApusTables.DataError

/// Samples in order. Never empty when it was read from a file.
public struct Dataset: Sendable, Equatable {
    /// The rows in the order of the source.
    public var samples: [Sample]
    /// What to tell about how the rows were read, a line each.
    public var notices: [String] = []

    /// How many rows there are.
    public var count: Int { samples.count }

    /// A dataset of rows made in code.
    public init(samples: [Sample]) {
        self.samples = samples
    }
}
