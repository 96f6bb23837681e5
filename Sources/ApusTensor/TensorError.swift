/// A failure of the numeric layer, in one line: what was wanted, what was found, what to do.
public struct TensorError: Error, CustomStringConvertible, Sendable {
    /// The message for people.
    public let description: String
    /// Where a device has no memory for something: how much is missing. Whoever knows how the user gives sizes says what to do
    /// by their names.
    package let shortage: DeviceShortage?

    /// An error with its whole message.
    public init(_ description: String) {
        self.description = description
        shortage = nil
    }

    /// The error of a device that has no memory for something.
    package init(shortage: DeviceShortage) {
        description = "\(shortage.finding); use a smaller batch or model, or the device cpu"
        self.shortage = shortage
    }

    /// What was wanted and what was found, without what the message begins with and the advice that it ends with: for
    /// sentences that say what is done instead.
    package var finding: String {
        let beginning = description.firstRange(of: ": ")?.upperBound ?? description.startIndex
        return String(description[beginning...].prefix { $0 != ";" })
    }
}

/// A device has less memory left than something takes.
package struct DeviceShortage: Sendable, Equatable {
    /// Bytes wanted.
    package let wanted: Int
    /// Bytes that are left.
    package let left: Int
    /// Bytes of the device that the process may use.
    package let limit: Int
    /// What they are used for, and how many.
    package let uses: [DeviceMemoryUse: Int]

    /// A shortage.
    package init(wanted: Int, left: Int, limit: Int, uses: [DeviceMemoryUse: Int]) {
        (self.wanted, self.left, self.limit, self.uses) = (wanted, left, limit, uses)
    }

    /// What was wanted and what was found.
    package var finding: String {
        let mebibyte = 1_048_576
        let parts = DeviceMemoryUse.allCases.map { "\($0.rawValue) \((uses[$0] ?? 0) / mebibyte)" }
        return "memory: wanted \((wanted + mebibyte - 1) / mebibyte) MiB of the card, "
            + "found \(left / mebibyte) MiB left of \(limit / mebibyte) MiB (\(parts.joined(separator: ", ")))"
    }
}

/// What a device's memory is used for, by the names of a plan's parts.
package enum DeviceMemoryUse: String, Sendable, CaseIterable {
    /// Weights as kernels read them, of the model and of an adapter.
    case weights
    /// Pages.
    case pages = "keys, values and kept rows"
    /// What is computed in, and what an adapter and its optimizer are held in.
    case work = "adapter, optimizer and activations"
}
