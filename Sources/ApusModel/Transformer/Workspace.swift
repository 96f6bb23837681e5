internal import ApusTensor

/// The activations of a pass, planned once for a number of rows and reused by every layer.
package final class Workspace {
    /// The most rows of a pass.
    package let capacity: Int
    private let storages: [Storage]
    private let widths: [Int]
    private let rank: Int

    /// What is held, with its width. The backward pass reuses the forward's buffers wherever their contents are spent.
    private enum Slot: Int, CaseIterable {
        case residual, normed, query, key, value, attended, delta, gate, up, activated, logSumExp
        case dNormed, dQuery, dKey, dValue, dAttended, dActivated
    }

    /// Room for `capacity` rows; `training` adds what the backward pass needs.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    package init(_ configuration: ModelConfiguration, rank: Int, capacity: Int, training: Bool) throws {
        self.capacity = capacity
        self.rank = rank
        let hidden = configuration.hiddenSize
        let queryWidth = configuration.headCount * configuration.headSize
        let keyWidth = configuration.keyValueHeadCount * configuration.headSize
        let middle = configuration.intermediateSize
        widths =
            [hidden, hidden, queryWidth, keyWidth, keyWidth, queryWidth, hidden, middle, middle, middle]
            + [configuration.headCount]
            + (training ? [hidden, queryWidth, keyWidth, keyWidth, queryWidth, middle] : [])
            + [Int](repeating: max(rank, 1), count: 2 * LinearModule.allCases.count)
        storages = try widths.map { try Storage(count: $0 * capacity) }
        projectedBase = training ? Slot.allCases.count : Slot.dNormed.rawValue
    }

    private let projectedBase: Int

    private func view(_ index: Int, _ rows: Int) -> Matrix {
        Matrix(storage: storages[index], rows: rows, columns: widths[index])
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
    func dActivated(_ rows: Int) -> Matrix { view(Slot.dActivated.rawValue, rows) }
    func logSumExp(_ rows: Int) -> Matrix { view(Slot.logSumExp.rawValue, rows) }

    /// x Aᵀ of a module's adapter.
    func projected(_ module: LinearModule, _ rows: Int) -> Matrix { view(projectedBase + module.rawValue, rows) }

    /// The gradient of `projected`.
    func dProjected(_ module: LinearModule, _ rows: Int) -> Matrix {
        view(projectedBase + LinearModule.allCases.count + module.rawValue, rows)
    }
}
