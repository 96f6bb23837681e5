package import ApusTensor

/// The activations of a pass, planned once for a number of rows and reused by every layer.
///
/// What attention works in and what a feed-forward network works in is the same memory: a layer is done with the one when it
/// begins the other, in either direction.
package final class Workspace {
    /// The most rows of a pass.
    package let capacity: Int
    /// Rows that go through a feed-forward network together: a multiple of 64, the rows by which gradients of weights
    /// are summed, so that it changes no bit.
    private let feedForwardRows: Int
    private let places: [Place]

    /// Where the rows of a slot lie.
    private struct Place {
        let storage: Storage
        var offset = 0
        let width: Int
        let rows: Int
    }

    /// What is held, with its width. The backward pass reuses the forward's buffers wherever their contents are spent.
    private enum Slot: Int, CaseIterable {
        case residual, normed, query, key, value, attended, delta, joinedAttention
        case gate, up, activated, joinedFeedForward, logSumExp
        case dNormed, dQuery, dKey, dValue, dAttended, rawQuery, rawKey, branch

        /// The half of a layer that alone works in it; nil where both do, or one reads what the other left.
        var half: LayerHalf? {
            switch self {
            case .residual, .normed, .delta, .dNormed, .branch: nil
            case .gate, .up, .activated, .joinedFeedForward: .feedForward
            case .query, .key, .value, .attended, .joinedAttention, .logSumExp: .attention
            case .dQuery, .dKey, .dValue, .dAttended, .rawQuery, .rawKey: .attention
            }
        }

        /// Whether some rows go through it at a time.
        var isChunked: Bool { half == .feedForward }

        /// Whether only a backward pass writes to it.
        var isForTraining: Bool { rawValue >= Self.logSumExp.rawValue }

        /// Values in a row; 0 where no layer of the model needs it.
        func width(_ model: ModelConfiguration) -> Int {
            func ifAny(_ value: Int, _ needs: (LayerPlan) -> Bool) -> Int {
                model.layers.contains(where: needs) ? value : 0
            }
            return switch self {
            case .residual, .normed, .delta, .dNormed: model.hiddenSize
            case .query, .attended, .dQuery, .dAttended: model.queryWidth
            case .key, .value, .dKey, .dValue: model.keyWidth
            case .joinedAttention: ifAny(model.queryWidth + 2 * model.keyWidth) { $0.has(.queryKeyValue) }
            case .gate, .up, .activated: model.intermediateSize
            case .joinedFeedForward: ifAny(2 * model.intermediateSize) { $0.has(.gateUp) }
            case .logSumExp: model.headCount
            case .rawQuery: ifAny(model.queryWidth) { $0.norms[.queries] != nil }
            case .rawKey: ifAny(model.keyWidth) { $0.norms[.keys] != nil }
            case .branch:
                ifAny(model.hiddenSize) {
                    $0.norms[.afterAttention] != nil || $0.norms[.afterFeedForward] != nil || $0.residualMultiplier != 1
                }
            }
        }
    }

    /// The most rows of gate, up and activated, which are the widest.
    package static func feedForwardRows(_ configuration: ModelConfiguration, on backend: any Backend) -> Int {
        max(256, backend.bytesAtATime / (4 * configuration.intermediateSize) / 64 * 64)
    }

    /// Bytes that passes over some rows write to; what they never touch takes no memory.
    ///
    /// - Parameter projectedColumns: columns of all adapters' projections of a layer together.
    package static func byteCount(
        _ configuration: ModelConfiguration, rows: Int, projectedColumns: Int, training: Bool, on backend: any Backend
    ) -> Int {
        let fewer = min(rows, feedForwardRows(configuration, on: backend))
        func held(_ half: LayerHalf?) -> Int {
            Slot.allCases.filter { $0.half == half && (training || !$0.isForTraining) }
                .reduce(0) { $0 + $1.width(configuration) * ($1.isChunked ? fewer : rows) }
        }
        let values = held(nil) + max(held(.attention), held(.feedForward))
        return MemoryLayout<Float>.stride * (values + rows * projectedColumns * (training ? 2 : 1))
    }

    /// Room for `capacity` rows; `training` adds what the backward pass needs.
    ///
    /// - Parameter feedForwardRows: nil for what suits the width.
    /// - Throws: `TensorError` when the system has no memory for it.
    package init(
        _ configuration: ModelConfiguration, rank: Int, capacity: Int, training: Bool, feedForwardRows: Int? = nil,
        on backend: any Backend
    ) throws {
        self.capacity = capacity
        self.feedForwardRows = feedForwardRows ?? Self.feedForwardRows(configuration, on: backend)
        // The sums of exponentials are there in any case: a sampler that keeps activations asks for them.
        let slots = Slot.allCases.filter { training || !$0.isForTraining || $0 == .logSumExp }
        let fewer = min(capacity, self.feedForwardRows)
        func place(width: Int) throws -> Place {
            let storage = try backend.makeMatrix(rows: capacity, columns: width).storage
            return Place(storage: storage, width: width, rows: capacity)
        }
        func count(_ slot: Slot) -> Int {
            let values = slot.width(configuration) * (slot.isChunked ? fewer : capacity)
            return (values + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        func room(_ half: LayerHalf) -> Int { slots.filter { $0.half == half }.reduce(0) { $0 + count($1) } }
        let shared = try backend.makeMatrix(rows: 1, columns: max(room(.attention), room(.feedForward))).storage
        var used: [LayerHalf: Int] = [:]
        let held = try slots.map { slot in
            let width = slot.width(configuration)
            guard let half = slot.half else { return try place(width: width) }
            let offset = used[half, default: 0]
            used[half] = offset + count(slot)
            return Place(storage: shared, offset: offset, width: width, rows: slot.isChunked ? fewer : capacity)
        }
        places = try held + (0..<2 * LinearModule.allCases.count).map { _ in try place(width: max(rank, 1)) }
        projectedBase = slots.count
    }

    /// Values at a multiple of which a slot begins: no two share a cache line.
    private static let alignment = 64
    private let projectedBase: Int

    private func view(_ index: Int, _ rows: Int) -> Matrix {
        let place = places[index]
        precondition(rows <= place.rows, "more rows than were planned")
        return Matrix(storage: place.storage, offset: place.offset, rows: rows, columns: place.width)
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
    func rawQuery(_ rows: Int) -> Matrix { view(Slot.rawQuery.rawValue, rows) }
    func rawKey(_ rows: Int) -> Matrix { view(Slot.rawKey.rawValue, rows) }
    func branch(_ rows: Int) -> Matrix { view(Slot.branch.rawValue, rows) }

    /// What a fused module of a half layer gives, or its gradient.
    func joined(_ half: LayerHalf, _ rows: Int) -> Matrix {
        switch half {
        case .attention: view(Slot.joinedAttention.rawValue, rows)
        case .feedForward: view(Slot.joinedFeedForward.rawValue, rows)
        }
    }

    /// x Aᵀ of a module's adapter, [rows][rank].
    func projected(_ module: LinearModule, _ rows: Int, rank: Int) -> Matrix {
        view(projectedBase + module.rawValue, rows).reshaped(rows: rows, columns: rank)
    }

    /// The gradient of `projected`.
    func dProjected(_ module: LinearModule, _ rows: Int, rank: Int) -> Matrix {
        view(projectedBase + LinearModule.allCases.count + module.rawValue, rows).reshaped(rows: rows, columns: rank)
    }
}
