/// The linear modules, layer by layer, that a low-rank adapter stands beside.
package struct LoRATargets: Sendable, Equatable {
    /// The adapted modules of each layer.
    package let layers: [Set<LinearModule>]

    /// The modules that something chooses.
    init(layerCount: Int, where isAdapted: (LinearModule, Int) -> Bool) {
        layers = (0..<layerCount).map { layer in Set(LinearModule.allCases.filter { isAdapted($0, layer) }) }
    }

    /// How often a module stands beside a weight, over all layers.
    package var count: Int { layers.reduce(0) { $0 + $1.count } }

    /// The modules that are adapted in some layer.
    package var modules: Set<LinearModule> { layers.reduce(into: []) { $0.formUnion($1) } }

    /// The shortest `target_modules` and `layers_to_transform` from which PEFT finds these modules again; layers that are
    /// adapted differently are given path by path.
    package var names: (modules: [String], layers: [Int]?) {
        let adapted = layers.indices.filter { !layers[$0].isEmpty }
        guard let first = adapted.first.map({ layers[$0] }), adapted.allSatisfy({ layers[$0] == first }) else {
            return (adapted.flatMap { layer in Self.sorted(layers[layer]).map { $0.path(layer: layer) } }, nil)
        }
        return (Self.sorted(first).map(\.name), adapted.count == layers.count ? nil : adapted)
    }

    /// A sum over the adapted modules of all layers.
    package func sum(_ value: (LinearModule) throws -> Int) rethrows -> Int {
        try layers.reduce(0) { sum, modules in try modules.reduce(sum) { $0 + (try value($1)) } }
    }

    private static func sorted(_ modules: Set<LinearModule>) -> [LinearModule] {
        LinearModule.allCases.filter(modules.contains)
    }
}
