/// The linear modules of a model that a low-rank adapter stands beside.
package struct LoRATargets: Sendable, Equatable {
    /// A linear module of a layer.
    struct Place: Sendable, Equatable {
        let layer: Int
        let plan: LinearPlan
        /// The module's path, such as `model.layers.3.self_attn.q_proj`.
        let path: String
    }

    /// A module with the shape of its pair.
    package struct Module: Sendable, Equatable {
        /// The layer.
        package let layer: Int
        /// The module with its shape.
        package let plan: LinearPlan
        /// The module's path, such as `model.layers.3.self_attn.q_proj`.
        package let path: String
        /// Rows of A and columns of B.
        package let rank: Int
        /// Numerator of the scale.
        package let alpha: Double

        init(_ place: Place, rank: Int, alpha: Double) {
            layer = place.layer
            plan = place.plan
            path = place.path
            self.rank = rank
            self.alpha = alpha
        }

        /// Numbers in A and B.
        package var parameterCount: Int { rank * (plan.inputs + plan.outputs) }
    }

    /// The adapted modules, layer by layer.
    package let modules: [Module]
    private let layerCount: Int

    init(modules: [Module], layerCount: Int) {
        self.modules = modules
        self.layerCount = layerCount
    }

    /// Every linear module of a model's layers.
    static func places(in model: ModelConfiguration) -> [Place] {
        let layout = model.huggingFaceLayout
        return model.layers.enumerated().flatMap { layer, plan in
            plan.modules.map { Place(layer: layer, plan: $0, path: layout.path(of: $0.module, layer: layer)) }
        }
    }

    /// The modules that are adapted in some layer, in their order.
    package var kinds: [LinearModule] {
        let found = Set(modules.map(\.plan.module))
        return LinearModule.allCases.filter(found.contains)
    }

    /// The highest rank.
    package var largestRank: Int { modules.map(\.rank).max() ?? 0 }

    /// The shortest `target_modules` and `layers_to_transform` from which PEFT finds these modules again; layers that are
    /// adapted differently are given path by path.
    package var names: (modules: [String], layers: [Int]?) {
        let byLayer = Dictionary(grouping: modules, by: \.layer).mapValues { $0.map(\.plan.module) }
        guard let first = byLayer.values.first, byLayer.values.allSatisfy({ $0 == first }) else {
            return (modules.map(\.path), nil)
        }
        return (first.map(\.name), byLayer.count == layerCount ? nil : byLayer.keys.sorted())
    }
}
