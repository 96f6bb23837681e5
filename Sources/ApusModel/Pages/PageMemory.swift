internal import ApusTensor

/// What pages hold of each position.
package enum PageContents: Sendable, Equatable {
    /// Keys and values: what sampling needs.
    case keysAndValues
    /// With them what a backward pass starts from.
    case training(GradientCheckpointing)
}

/// The memory of pages: room is reserved for all of them at the first use, and taken when a page is written.
struct PageMemory {
    let model: LanguageModel
    let contents: PageContents
    private var storage: (cache: KeyValueCache, inputs: LayerInputs?)?

    init(model: LanguageModel, contents: PageContents) {
        self.model = model
        self.contents = contents
    }

    /// Bytes of keys and values in a page.
    var keyValueBytes: Int { model.backend.pageBytes(model.cacheShape) }

    /// Bytes of the device that layer inputs and activations take in a page.
    var inputBytes: Int {
        guard let checkpointing else { return 0 }
        return LayerInputs.tokenBytes(model.configuration, model.precision, checkpointing, on: model.backend)
            * KeyValueCache.pageTokens
    }

    /// Bytes of the host that a page takes, where that is not the device.
    var hostBytes: Int {
        guard let checkpointing else { return 0 }
        return LayerInputs.hostTokenBytes(model.configuration, model.precision, checkpointing, on: model.backend)
            * KeyValueCache.pageTokens
    }

    private var checkpointing: GradientCheckpointing? {
        if case .training(let checkpointing) = contents { checkpointing } else { nil }
    }

    private var memories: [PagedMemory] { storage.map { [$0.cache] + ($0.inputs?.memories ?? []) } ?? [] }

    /// Pages that the device has memory for, of those that nobody owns.
    var available: Int { model.backend.availablePages(of: memories, pageBytes: keyValueBytes + inputBytes) }

    /// What pages hold is not needed any more.
    func discard(_ pages: [Int32]) { model.backend.discardPages(pages, of: memories) }

    /// Keys and values, and layer inputs in a store that has them.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    mutating func reserve(pages: Int) throws -> (cache: KeyValueCache, inputs: LayerInputs?) {
        if let storage { return storage }
        let made = (
            cache: try model.backend.makeCache(model.cacheShape, pages: pages),
            inputs: try checkpointing.map {
                try LayerInputs(model.configuration, model.precision, $0, pages: pages, on: model.backend)
            }
        )
        storage = made
        return made
    }
}
