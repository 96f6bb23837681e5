import ApusFormats

extension Checkpoint {
    /// Compares the file with what the configuration asks for, before any weight is read.
    func checkTensors() throws(FormatError) {
        let wanted = configuration.tensorShapes
        for (name, shape) in wanted {
            let stored = layout.storedName(of: name)
            guard contains(name) else {
                throw FormatError(
                    .missing, file: path, "tensor '\(stored)' \(shape) is missing; the checkpoint is incomplete")
            }
            let found = try self.shape(name)
            guard found == shape else {
                let message =
                    "tensor '\(stored)': the configuration wants \(shape), the file holds \(found); they are of different models"
                throw FormatError(.mismatch, file: path, message)
            }
        }
        try checkNothingIsIgnored(wanted: Set(wanted.map { layout.storedName(of: $0.name) }))
    }

    /// Refuses layers, biases and norms that the transformer would leave out without a word.
    private func checkNothingIsIgnored(wanted: Set<String>) throws(FormatError) {
        let surplus = source.entries.keys.filter { name in
            (name.hasPrefix("model.layers.") || name.hasPrefix("blk."))
                && (name.hasSuffix(".weight") || name.hasSuffix(".bias")) && !wanted.contains(name)
        }
        guard let name = surplus.min() else { return }
        let message =
            "tensor '\(name)' has no place in a \(configuration.architecture.rawValue) model of \(configuration.layerCount) layers"
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
