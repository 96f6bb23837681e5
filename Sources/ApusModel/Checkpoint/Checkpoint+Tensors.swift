import ApusFormats

extension Checkpoint {
    /// Compares the file with what the configuration asks for, before any weight is read.
    func checkTensors() throws(FormatError) {
        let wanted = configuration.tensors
        for tensor in wanted {
            let stored = layout.name(of: tensor.role)
            guard contains(tensor.role) else {
                throw FormatError(
                    .missing, file: path, "tensor '\(stored)' \(tensor.shape) is missing; the checkpoint is incomplete")
            }
            let found = try self.shape(tensor.role)
            guard found == tensor.shape else {
                let message =
                    "tensor '\(stored)': the configuration wants \(tensor.shape), the file holds \(found); they are of different models"
                throw FormatError(.mismatch, file: path, message)
            }
            if let type = try type(tensor.role), type.isInteger {
                throw FormatError(
                    .unsupported, file: path,
                    "tensor '\(stored)' holds \(type.rawValue), whole numbers without their scales: a quantisation that is not "
                        + "read; take the original model, or a GGUF file")
            }
        }
        try checkNothingIsIgnored(wanted: Set(wanted.map { layout.name(of: $0.role) }))
    }

    /// Refuses layers, biases and norms that the transformer would leave out without a word.
    private func checkNothingIsIgnored(wanted: Set<String>) throws(FormatError) {
        let surplus = source.entries.keys.filter { name in
            name.hasPrefix(layout.layersPrefix)
                && (name.hasSuffix(".weight") || name.hasSuffix(".bias")) && !wanted.contains(name)
        }
        guard let name = surplus.min() else { return }
        let message =
            "tensor '\(name)' has no place in a \(configuration.architecture.name) model of \(configuration.layerCount) layers"
        throw FormatError(.unsupported, file: path, message + "; this variant is not supported")
    }

    /// Reads rows, or the elements of a bias, that lie in another order in the file.
    func readPermuted(
        _ stored: String, rows: Range<Int>, order: InterleavedRows, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        let entry = try source.entry(stored)
        if entry.shape.count < 2 {
            let values = try source.readFloats(stored)
            for row in values.indices { destination[row] = values[order.storedRow(of: row)] }
            return
        }
        let width = entry.rowLength
        for (index, row) in rows.enumerated() {
            let target = UnsafeMutableBufferPointer(rebasing: destination[index * width..<(index + 1) * width])
            let storedRow = order.storedRow(of: row)
            try source.read(stored, rows: storedRow..<storedRow + 1, into: target)
        }
    }
}

extension NamePrefix {
    /// The one below which a checkpoint, perhaps of several models, holds the one of text.
    static func found(in source: any TensorSource, _ architecture: Architecture) -> NamePrefix {
        let found = all.first { prefix in
            source.entries[CheckpointLayout.huggingFace(architecture, prefix: prefix).name(of: .embedding)] != nil
        }
        return found ?? .none
    }
}
