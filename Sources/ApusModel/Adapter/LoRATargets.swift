/// The matrices of a model that a low-rank adapter stands beside: linear modules of the layers, the embedding, the head.
package struct LoRATargets: Sendable, Equatable {
    /// A matrix that a pair can stand beside.
    struct Place: Sendable, Equatable {
        /// What it is.
        let role: TensorRole
        /// What it gives: of the embedding, elements of the residual stream.
        let outputs: Int
        /// What it reads: of the embedding, one of so many tokens.
        let inputs: Int
        /// Its module's path, such as `model.layers.3.self_attn.q_proj`.
        let path: String
    }

    /// A matrix with the shape of its pair.
    package struct Module: Sendable, Equatable {
        /// What it is.
        package let role: TensorRole
        /// Rows of B.
        package let outputs: Int
        /// Columns of A.
        package let inputs: Int
        /// The module's path, such as `model.layers.3.self_attn.q_proj`.
        package let path: String
        /// Rows of A and columns of B.
        package let rank: Int
        /// Numerator of the scale.
        package let alpha: Double

        init(_ place: Place, rank: Int, alpha: Double) {
            role = place.role
            outputs = place.outputs
            inputs = place.inputs
            path = place.path
            self.rank = rank
            self.alpha = alpha
        }

        /// Numbers in A and B.
        package var parameterCount: Int { rank * (inputs + outputs) }

        /// What PEFT calls the pair's tensors.
        var tensorNames: (a: String, b: String) {
            let (a, b) = role == .embedding ? ("embedding_A", "embedding_B") : ("A.weight", "B.weight")
            return ("\(ForeignTensors.prefix)\(path).lora_\(a)", "\(ForeignTensors.prefix)\(path).lora_\(b)")
        }
    }

    /// The adapted modules: layer by layer, then the embedding and the head.
    package let modules: [Module]
    private let layerCount: Int

    init(modules: [Module], layerCount: Int) {
        self.modules = modules
        self.layerCount = layerCount
    }

    /// Every linear module of a model's layers, then the embedding and the head.
    static func places(in model: ModelConfiguration) -> [Place] {
        let layout = model.huggingFaceLayout
        let layers = model.layers.enumerated().flatMap { layer, plan in
            plan.modules.map {
                Place(
                    role: .weight($0.module, layer: layer), outputs: $0.outputs, inputs: $0.inputs,
                    path: layout.path(of: $0.module, layer: layer))
            }
        }
        let (hidden, vocabulary) = (model.hiddenSize, model.vocabularySize)
        return layers + [
            Place(role: .embedding, outputs: hidden, inputs: vocabulary, path: layout.path(ofTable: .embedding)),
            Place(role: .head, outputs: vocabulary, inputs: hidden, path: layout.path(ofTable: .head)),
        ]
    }

    /// The modules that are adapted in some layer, in their order.
    package var kinds: [LinearModule] {
        let found = Set(modules.compactMap(\.role.matrixModule))
        return LinearModule.allCases.filter(found.contains)
    }

    /// The highest rank in a layer.
    package var largestRank: Int { modules.filter { $0.role.layer != nil }.map(\.rank).max() ?? 0 }

    /// Whether a pair stands beside the embedding or the head.
    package var hasTables: Bool { modules.last.map { $0.role.layer == nil } ?? false }

    /// The shortest `target_modules` and `layers_to_transform` from which PEFT finds these modules again; layers that are
    /// adapted differently are given path by path.
    package var names: (modules: [String], layers: [Int]?) {
        let inLayers = modules.filter { $0.role.layer != nil }
        let byLayer = Dictionary(grouping: inLayers) { $0.role.layer ?? 0 }.mapValues { $0.map(\.role.matrixModule) }
        let first = byLayer.values.first ?? []
        let isSome = byLayer.count != layerCount && !byLayer.isEmpty
        // Layers that are named leave out what is in none.
        guard byLayer.values.allSatisfy({ $0 == first }), !(isSome && hasTables) else {
            return (modules.map(\.path), nil)
        }
        let tables = modules.filter { $0.role.layer == nil }.map {
            $0.path.split(separator: ".").last.map(String.init) ?? ""
        }
        return (first.compactMap { $0?.name } + tables, isSome ? byLayer.keys.sorted() : nil)
    }
}
