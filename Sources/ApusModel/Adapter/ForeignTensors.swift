import ApusFormats

/// Tensors of an adapter's file that are no LoRA matrices, such as the embedding that PEFT saves beside them when a
/// vocabulary was grown: they may be passed over only where the base model holds the same.
struct ForeignTensors {
    /// What PEFT puts before a module's path.
    static let prefix = "base_model.model."

    /// Rows are compared in pieces of about so many values: an embedding is the largest tensor of a small model.
    private static let valuesAtATime = 1 << 20

    private let names: [String]
    private let source: SafetensorsFile
    private let base: Checkpoint

    init(_ names: [String], in source: SafetensorsFile, base: Checkpoint) {
        self.names = names
        self.source = source
        self.base = base
    }

    /// The names, when all of them are copies of the base model's tensors.
    ///
    /// - Throws: `ModelError` that names the first one that is not.
    func copies() throws -> [String] {
        for name in names {
            guard let twin = twin(of: name) else {
                throw ModelError(
                    "\(source.path): tensor '\(name)' is no LoRA matrix of a linear layer of this model; train the adapter on "
                        + "the layers' linear modules only")
            }
            guard try equals(name, twin) else {
                throw ModelError(
                    "\(source.path): tensor '\(name)' is a whole weight that differs from the model's '\(base.configuration.huggingFaceLayout.name(of: twin))', and would be "
                        + "lost; merge it into the model with PEFT, or train the adapter on the layers' linear modules only"
                )
            }
        }
        return names
    }

    /// The base model's tensor of that name; the head of a model that ties it is its embedding.
    private func twin(of name: String) -> TensorRole? {
        guard name.hasPrefix(Self.prefix) else { return nil }
        let own = String(name.dropFirst(Self.prefix.count)).replacing(".modules_to_save.default", with: "")
            .replacing(".modules_to_save", with: "").replacing(".base_layer", with: "")
        let layout = base.configuration.huggingFaceLayout
        let roles = base.configuration.tensors.map(\.role)
        if let role = roles.first(where: { layout.name(of: $0) == own }) { return role }
        return own == layout.name(of: .head) ? .embedding : nil
    }

    /// Whether both are the same numbers, as far as the coarser of their types tells.
    private func equals(_ name: String, _ twin: TensorRole) throws -> Bool {
        let entry = try source.entry(name)
        guard try base.shape(twin) == entry.shape, let baseType = try base.type(twin) else { return false }
        let rowsAtATime = max(1, Self.valuesAtATime / max(entry.rowLength, 1))
        for first in stride(from: 0, to: entry.rowCount, by: rowsAtATime) {
            let rows = first..<min(first + rowsAtATime, entry.rowCount)
            let count = rows.count * entry.rowLength
            let own = try floats(count) { try source.read(name, rows: rows, into: $0) }
            let wanted = try floats(count) { try base.read(twin, rows: rows, into: $0) }
            guard
                own == wanted || Self.rounded(own, to: baseType) == wanted
                    || Self.rounded(wanted, to: entry.type) == own
            else { return false }
        }
        base.finish(twin)
        return true
    }

    private func floats(_ count: Int, _ read: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws -> [Float] {
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { try read($0) }
        return values
    }

    /// Values as a type holds them; nil where it cannot be written, or holds no NaN.
    private static func rounded(_ values: [Float], to type: ElementType) -> [Float]? {
        guard ElementType.encodable.contains(type), values.allSatisfy(\.isFinite),
            type.byteCount(of: values.count) != nil
        else { return nil }
        return type.rounding(values)
    }
}
