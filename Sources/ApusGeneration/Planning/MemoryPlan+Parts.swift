package import ApusModel
package import ApusTensor

extension MemoryPlan {
    /// The program with its libraries, resident: nearly all of it is the Swift runtime's and Foundation's code.
    private static let programBytes = 26 << 20
    /// A tokenizer's tables, for each entry of the vocabulary: its bytes, its hash slots and a merge.
    private static let tokenizerBytesPerToken = 110

    /// What the process takes beside the model, where the device's memory is the process's.
    private static func processParts(_ run: PlannedRun, _ backend: any Backend) -> [Part] {
        guard backend.isProcessMemory else { return [] }
        return [
            Part(name: "program", bytes: programBytes, detail: "code and libraries"),
            Part(
                name: "tokenizer", bytes: run.model.vocabularySize * tokenizerBytesPerToken,
                detail: "\(run.model.vocabularySize) tokens"),
        ]
    }

    /// What is in memory before the first step: in this order, so that the rest of the budget is the pages'.
    static func loadedParts(_ run: PlannedRun, _ sizes: RunSizes, _ backend: any Backend) throws -> [Part] {
        let parameters = try parameterCount(run)
        let isAdapter = run.adapter != nil
        return processParts(run, backend) + [
            Part(
                name: "base weights", bytes: try linearBytes(run.model, run.precision, backend),
                detail: "\(run.model.layerCount) layers in \(run.precision.rawValue)"),
            Part(
                name: run.model.tiesEmbeddings ? "embedding, also the head" : "head",
                bytes: try tableBytes(run.model, run.precision, backend),
                detail: "\(run.model.vocabularySize) x \(run.model.hiddenSize)"),
            Part(
                name: isAdapter ? "adapter" : "trained weights",
                bytes: 8 * parameters + (try packedAdapterBytes(run, backend)),
                detail: "\(parameters) parameters: values, gradients" + (isAdapter ? ", the kernels' copy" : "")),
            Part(name: "optimizer", bytes: 8 * parameters, detail: "AdamW's two moments in fp32"),
        ]
    }

    /// What a step works with. Checkpoints are written tensor by tensor, and take next to nothing.
    static func workParts(_ run: PlannedRun, _ sizes: RunSizes, _ backend: any Backend) -> [Part] {
        [
            Part(
                name: "sampling", bytes: sizes.samplingBytes,
                detail: "activations of \(sizes.samplingRows) rows, logits of \(GenerationEngine.logitRows)"),
            Part(
                name: "training", bytes: sizes.trainingBytes, detail: "activations of \(sizes.trainingRows) rows"),
            Part(
                name: backend.isProcessMemory ? "threads" : "operations", bytes: sizes.scratchBytes,
                detail: backend.isProcessMemory ? "scratch of \(run.threads)" : "scratch"),
        ]
    }

    /// Σ rank · (inputs + outputs) over the adapted modules of all layers; without an adapter all of the model's.
    private static func parameterCount(_ run: PlannedRun) throws -> Int {
        guard let adapter = run.adapter else { return run.model.parameterCount }
        return try adapter.targets(in: run.model).modules.reduce(0) {
            $0 + $1.parameterCount
        }
    }

    /// The projections of every layer in their format, with norms and biases in fp32.
    private static func linearBytes(
        _ model: ModelConfiguration, _ precision: WeightPrecision, _ backend: any Backend
    ) throws -> Int {
        try model.layers.reduce(0) { sum, layer in
            let matrices = try layer.modules.reduce(0) { sum, linear in
                let format = precision.linearFormat
                return sum + (try backend.byteCount(format, outputs: linear.outputs, inputs: linear.inputs))
            }
            let biases = layer.modules.filter(\.hasBias).reduce(0) { $0 + $1.outputs }
            return sum + matrices + 4 * (layer.norms.values.reduce(0, +) + biases)
        }
    }

    private static func tableBytes(
        _ model: ModelConfiguration, _ precision: WeightPrecision, _ backend: any Backend
    ) throws -> Int {
        // An embedding table that the head does not share stays in the file.
        try backend.byteCount(
            precision.headFormat(model), outputs: model.vocabularySize, inputs: model.hiddenSize)
    }

    /// Bytes of a model's weights in memory.
    ///
    /// - Throws: `TensorError` for sizes beyond any memory.
    package static func weightBytes(
        of model: ModelConfiguration, _ precision: WeightPrecision, backend: any Backend
    ) throws -> Int {
        try linearBytes(model, precision, backend) + tableBytes(model, precision, backend)
    }

    private static func packedAdapterBytes(_ run: PlannedRun, _ backend: any Backend) throws -> Int {
        guard let adapter = run.adapter else { return 0 }
        return try adapter.targets(in: run.model).modules.reduce(0) { sum, module in
            // Of the embedding's pair the table of tokens is read as it is.
            if module.role == .embedding {
                return sum
                    + (try backend.adapterByteCount(outputs: module.outputs, inputs: module.rank, beside: .f32))
            }
            let format = module.role == .head ? run.precision.headFormat(run.model) : run.precision.linearFormat
            let a = try backend.adapterByteCount(outputs: module.rank, inputs: module.inputs, beside: format)
            let b = try backend.adapterByteCount(outputs: module.outputs, inputs: module.rank, beside: format)
            return sum + a + b
        }
    }
}
