internal import ApusCPU
internal import ApusTensor

extension KernelBenchmark.Model {
    /// Linear modules that read the same input, in one call of the backend.
    struct LayerCall {
        struct Module {
            let outputs: Int
            /// Whether the backward pass needs its outputs again; of the others it needs the adapter's projection alone.
            let isComputedAgain: Bool
        }

        let inputs: Int
        let modules: [Module]
    }

    var queryWidth: Int { attention.heads * attention.headSize }
    var keyWidth: Int { attention.keyValueHeads * attention.headSize }

    /// The seven linear modules of a layer: query, key and value; attention's output; gate and up; down.
    var layerCalls: [LayerCall] {
        let key = LayerCall.Module(outputs: keyWidth, isComputedAgain: false)
        let residual = LayerCall.Module(outputs: hiddenSize, isComputedAgain: false)
        let gate = LayerCall.Module(outputs: intermediateSize, isComputedAgain: true)
        let query = LayerCall.Module(outputs: queryWidth, isComputedAgain: true)
        return [
            LayerCall(inputs: hiddenSize, modules: [query, key, key]),
            LayerCall(inputs: queryWidth, modules: [residual]),
            LayerCall(inputs: hiddenSize, modules: [gate, gate]),
            LayerCall(inputs: intermediateSize, modules: [residual]),
        ]
    }

    /// Values of a layer's weights.
    var layerWeights: Int { layerCalls.reduce(0) { $0 + $1.inputs * $1.modules.reduce(0) { $0 + $1.outputs } } }
}

extension KernelBenchmark {
    /// The NF4 weights of some layers, [layer][call][module].
    func layerWeights(of model: Model) throws -> [[[Weight]]] {
        let bytes = try model.layerCalls.reduce(0) { sum, call in
            try call.modules.reduce(sum) {
                $0 + (try backend.byteCount(.nf4, outputs: $1.outputs, inputs: call.inputs))
            }
        }
        let layers = min(Self.rotationCount(bytes: bytes), model.layers)
        let calls = try model.layerCalls.map { call in
            try call.modules.map {
                try weights(.nf4, inputs: call.inputs, outputs: $0.outputs, count: layers)
            }
        }
        return (0..<layers).map { layer in calls.map { $0.map { $0[layer] } } }
    }

    /// The median time of a layer's products as a pass without an adapter calls them.
    func layerSeconds(of model: Model, _ layers: [[[Weight]]], rows: Int) throws -> Double {
        let inputs = try model.layerCalls.map { try Self.numbers(rows: rows, columns: $0.inputs) }
        let outputs = try model.layerCalls.map { try $0.modules.map { try Matrix(rows: rows, columns: $0.outputs) } }
        try backend.prepareProducts(rows: rows, width: max(model.hiddenSize, model.intermediateSize))
        let products = layers.map { layer in
            layer.indices.map { call in
                zip(layer[call], outputs[call]).map {
                    LinearProduct(weight: $0, bias: nil, lowRank: nil, projected: nil, output: $1)
                }
            }
        }
        return medianSeconds { number in
            for (x, call) in zip(inputs, products[number % products.count]) { backend.linear(x, call) }
        }
    }

    /// The median time of a layer's products in a step of training.
    func trainingLayerSeconds(of model: Model, _ layer: [[Weight]], rows: Int) throws -> Double {
        try backend.prepareProducts(rows: rows, width: max(model.hiddenSize, model.intermediateSize))
        let calls = try zip(model.layerCalls, layer).map { call, weights in
            try TrainedCall(call, weights, rows: rows, backend: backend)
        }
        return medianSeconds { _ in
            for call in calls {
                backend.linear(call.input, call.products)
                backend.linearBackward(call.gradients, input: call.input, dx: call.inputGradient, accumulate: false)
            }
        }
    }
}

/// Modules of one input with their adapters: what a step of training computes of them again, and their gradients.
private struct TrainedCall {
    let input: Matrix
    let inputGradient: Matrix
    private(set) var products: [LinearProduct] = []
    private(set) var gradients: [LinearGradient] = []

    init(_ call: KernelBenchmark.Model.LayerCall, _ weights: [Weight], rows: Int, backend: CPUBackend) throws {
        let rank = StepModel.rank
        input = try KernelBenchmark.numbers(rows: rows, columns: call.inputs)
        inputGradient = try Matrix(rows: rows, columns: call.inputs)
        for (module, weight) in zip(call.modules, weights) {
            let lowRank = LowRank(
                a: try backend.makeAdapterWeight(outputs: rank, inputs: call.inputs, beside: .nf4),
                b: try backend.makeAdapterWeight(outputs: module.outputs, inputs: rank, beside: .nf4))
            backend.repack([
                Repacking(lowRank.a, from: try KernelBenchmark.numbers(rows: rank, columns: call.inputs)),
                Repacking(lowRank.b, from: try KernelBenchmark.numbers(rows: module.outputs, columns: rank)),
            ])
            let projected = try Matrix(rows: rows, columns: rank)
            let output = module.isComputedAgain ? try Matrix(rows: rows, columns: module.outputs) : nil
            products.append(
                LinearProduct(weight: weight, bias: nil, lowRank: lowRank, projected: projected, output: output))
            let adapter = LinearGradient.Adapter(
                lowRank: lowRank, projected: projected, dProjected: try Matrix(rows: rows, columns: rank),
                aGradient: try Matrix(rows: rank, columns: call.inputs),
                bGradient: try Matrix(rows: module.outputs, columns: rank), scale: 1)
            let dOutput = try KernelBenchmark.numbers(rows: rows, columns: module.outputs)
            gradients.append(LinearGradient(dOutput: dOutput, weight: weight, adapter: adapter))
        }
    }
}
