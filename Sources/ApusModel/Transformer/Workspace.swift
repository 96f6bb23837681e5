internal import ApusTensor

/// The activations of a pass, planned once for a number of rows and reused by every layer.
package final class Workspace {
    /// The most rows of a pass.
    package let capacity: Int
    /// Rows that go through a feed-forward network together: a multiple of 64, the rows by which gradients of weights
    /// are summed, so that it changes no bit.
    private let feedForwardRows: Int
    private let storages: [Storage]
    private let widths: [Int]

    /// What is held, with its width. The backward pass reuses the forward's buffers wherever their contents are spent.
    private enum Slot: Int, CaseIterable {
        case residual, normed, query, key, value, attended, delta, gate, up, activated, logSumExp
        case dNormed, dQuery, dKey, dValue, dAttended
    }

    /// The most rows of gate, up and activated: they are the widest, and 6 MiB of each keep the kernels busy.
    package static func feedForwardRows(_ configuration: ModelConfiguration) -> Int {
        max(256, (6 << 20) / (4 * configuration.intermediateSize) / 64 * 64)
    }

    private static let wideSlots = Slot.gate.rawValue...Slot.activated.rawValue

    /// The widths of what is held but for the adapter's projections, in the order of the slots.
    private static func widths(_ configuration: ModelConfiguration, training: Bool) -> [Int] {
        let hidden = configuration.hiddenSize
        let queryWidth = configuration.headCount * configuration.headSize
        let keyWidth = configuration.keyValueHeadCount * configuration.headSize
        let middle = configuration.intermediateSize
        return [hidden, hidden, queryWidth, keyWidth, keyWidth, queryWidth, hidden, middle, middle, middle]
            + [configuration.headCount]
            + (training ? [hidden, queryWidth, keyWidth, keyWidth, queryWidth] : [])
    }

    /// Bytes that passes over some rows write to; what they never touch takes no memory.
    ///
    /// - Parameter projectedColumns: columns of all adapters' projections of a layer together.
    package static func byteCount(
        _ configuration: ModelConfiguration, rows: Int, projectedColumns: Int, training: Bool
    ) -> Int {
        let fewer = min(rows, feedForwardRows(configuration))
        let held = widths(configuration, training: training).enumerated().reduce(0) { sum, slot in
            // Only a backward pass asks for the sums of exponentials.
            if !training, slot.offset == Slot.logSumExp.rawValue { return sum }
            return sum + slot.element * (wideSlots.contains(slot.offset) ? fewer : rows)
        }
        return MemoryLayout<Float>.stride * (held + rows * projectedColumns * (training ? 2 : 1))
    }

    /// Room for `capacity` rows; `training` adds what the backward pass needs.
    ///
    /// - Parameter feedForwardRows: nil for what suits the width.
    /// - Throws: `TensorError` when the system has no memory for it.
    package init(
        _ configuration: ModelConfiguration, rank: Int, capacity: Int, training: Bool, feedForwardRows: Int? = nil
    ) throws {
        self.capacity = capacity
        self.feedForwardRows = feedForwardRows ?? Self.feedForwardRows(configuration)
        widths =
            Self.widths(configuration, training: training)
            + [Int](repeating: max(rank, 1), count: 2 * LinearModule.allCases.count)
        let wide = Self.wideSlots
        let (rows, fewer) = (capacity, min(capacity, self.feedForwardRows))
        storages = try widths.enumerated().map { slot, width in
            try Storage(count: width * (wide.contains(slot) ? fewer : rows))
        }
        projectedBase = training ? Slot.allCases.count : Slot.dNormed.rawValue
    }

    private let projectedBase: Int

    private func view(_ index: Int, _ rows: Int) -> Matrix {
        Matrix(storage: storages[index], rows: rows, columns: widths[index])
    }

    /// The pieces in which rows go through a feed-forward network, of about the same size.
    func feedForwardChunks(_ rows: Int) -> [Range<Int>] {
        let count = (rows + feedForwardRows - 1) / feedForwardRows
        guard count > 1 else { return [0..<rows] }
        let step = ((rows + count - 1) / count + 63) / 64 * 64
        return stride(from: 0, to: rows, by: step).map { $0..<min($0 + step, rows) }
    }

    func residual(_ rows: Int) -> Matrix { view(Slot.residual.rawValue, rows) }
    func normed(_ rows: Int) -> Matrix { view(Slot.normed.rawValue, rows) }
    func query(_ rows: Int) -> Matrix { view(Slot.query.rawValue, rows) }
    func key(_ rows: Int) -> Matrix { view(Slot.key.rawValue, rows) }
    func value(_ rows: Int) -> Matrix { view(Slot.value.rawValue, rows) }
    func attended(_ rows: Int) -> Matrix { view(Slot.attended.rawValue, rows) }
    func delta(_ rows: Int) -> Matrix { view(Slot.delta.rawValue, rows) }
    func gate(_ rows: Int) -> Matrix { view(Slot.gate.rawValue, rows) }
    func up(_ rows: Int) -> Matrix { view(Slot.up.rawValue, rows) }
    func activated(_ rows: Int) -> Matrix { view(Slot.activated.rawValue, rows) }
    func dNormed(_ rows: Int) -> Matrix { view(Slot.dNormed.rawValue, rows) }
    func dQuery(_ rows: Int) -> Matrix { view(Slot.dQuery.rawValue, rows) }
    func dKey(_ rows: Int) -> Matrix { view(Slot.dKey.rawValue, rows) }
    func dValue(_ rows: Int) -> Matrix { view(Slot.dValue.rawValue, rows) }
    func dAttended(_ rows: Int) -> Matrix { view(Slot.dAttended.rawValue, rows) }
    func logSumExp(_ rows: Int) -> Matrix { view(Slot.logSumExp.rawValue, rows) }

    /// x Aᵀ of a module's adapter.
    func projected(_ module: LinearModule, _ rows: Int) -> Matrix { view(projectedBase + module.rawValue, rows) }

    /// The gradient of `projected`.
    func dProjected(_ module: LinearModule, _ rows: Int) -> Matrix {
        view(projectedBase + LinearModule.allCases.count + module.rawValue, rows)
    }
}
