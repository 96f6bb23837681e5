package import ApusTensor

/// How much memory the pages of keys, values and kept rows may take.
public struct MemoryBudget: Sendable, Equatable {
    /// The share of the device's memory that a run may hold unless it says otherwise.
    public static let defaultUtilization = 0.8

    private enum Wish: Equatable {
        case bytes(Int)
        case utilization(Double)
    }

    private let wish: Wish

    /// A number of bytes.
    public init(bytes: Int) { wish = .bytes(max(bytes, 0)) }

    /// A share of the device's memory, less what is held already when pages are first asked for (weights, above all). On the
    /// CPU that is what this process may use.
    public init(utilization: Double = Self.defaultUtilization) {
        precondition(utilization > 0 && utilization <= 1, "a share")
        wish = .utilization(utilization)
    }

    /// Bytes of the host that may be pinned for rows that lie there beside a device's: they cannot be swapped out, and belong
    /// to the process like all that it holds.
    package static var pinnableBytes: Int {
        let free = (defaultUtilization * Double(ProcessMemory.available())).wholeNumber(in: 0...1 << 62)
        return max(0, min(ProcessMemory.spare(utilization: defaultUtilization), free))
    }

    /// Bytes for pages on a device, as it is now.
    package func bytes(on backend: any Backend) -> Int {
        switch wish {
        case .bytes(let bytes): bytes
        case .utilization(let share): max(0, backend.spareMemory(utilization: share))
        }
    }
}
