public import ApusTensor
internal import CKernels

extension CPUBackend {
    /// See `Backend`.
    public func embed(_ tokens: Indices, table: Weight, into x: Matrix) {
        precondition(x.rows == tokens.count && x.columns == table.inputs, "shapes differ")
        let (base, width, tokens) = (x.pointer, table.inputs, tokens.numbers)
        split(tokens.count) { _, rows in
            withUnsafePointer(to: table.cpu.packed) {
                for row in rows {
                    self.kernels.linear.read_row($0, tokens[tokens.startIndex + row], base + row * width)
                }
            }
        }
    }

    /// See `Backend`.
    public func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (from, to, g) = (x.pointer, y.pointer, gain.pointer)
        let width = Int32(x.columns)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.rms_norm(from, g, epsilon, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (from, to, g, delta) = (x.pointer, y.pointer, gain.pointer, d.pointer)
        let width = Int32(x.columns)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.add_rms_norm(
                from, delta, g, epsilon, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix) {
        let (from, to, g, dOutput) = (x.pointer, dx.pointer, gain.pointer, dy.pointer)
        let width = Int32(x.columns)
        split(x.rows) { _, rows in
            self.kernels.layer.rms_norm_backward(
                from, g, epsilon, dOutput, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func add(_ x: Matrix, _ d: Matrix) {
        let (to, from) = (x.pointer, d.pointer)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.add(to, from, rows.lowerBound * x.columns, rows.upperBound * x.columns)
        }
    }

    /// See `Backend`.
    public func gather(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.columns, "shapes differ")
        let (from, to, width, indices) = (source.pointer, destination.pointer, source.columns, indices.numbers)
        split(indices.count, work: indices.count * width) { _, rows in
            for row in rows {
                let index = Int(indices[indices.startIndex + row])
                (to + row * width).update(from: from + index * width, count: width)
            }
        }
    }

    /// See `Backend`.
    public func keep(_ x: Matrix, _ pass: Pass, firstRow: Int, in kept: KeptRows, stream: Int) {
        precondition(firstRow + x.rows <= pass.rows && x.columns == kept.shape.columns, "shapes differ")
        let (from, width, kept, slots) = (x.pointer, x.columns, kept.cpu, pass.cpu.slots)
        split(x.rows, work: x.rows * width) { _, rows in
            for row in rows {
                switch kept.place(slots[firstRow + row], stream: stream) {
                case .exact(let to): to.update(from: from + row * width, count: width)
                case .short(let values, let scales):
                    self.kernels.layer.shorten(from + row * width, width, values, scales)
                }
            }
        }
    }

    /// See `Backend`.
    public func recall(_ kept: KeptRows, stream: Int, _ pass: Pass, firstRow: Int, into x: Matrix) {
        precondition(firstRow + x.rows <= pass.rows && x.columns == kept.shape.columns, "shapes differ")
        let (to, width, kept, slots) = (x.pointer, x.columns, kept.cpu, pass.cpu.slots)
        split(x.rows, work: x.rows * width) { _, rows in
            for row in rows {
                switch kept.place(slots[firstRow + row], stream: stream) {
                case .exact(let from): (to + row * width).update(from: from, count: width)
                case .short(let values, let scales):
                    self.kernels.layer.lengthen(values, scales, width, to + row * width)
                }
            }
        }
    }

    /// See `Backend`.
    public func scatterAdd(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        let (from, to, width) = (source.pointer, destination.pointer, source.columns)
        for (row, index) in indices.numbers.enumerated() {
            kernels.layer.add(to + Int(index) * width, from + row * width, 0, width)
        }
    }

    /// See `Backend`.
    public func gatherColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.rows, "shapes differ")
        let (from, to, length, width) = (source.pointer, destination.pointer, source.columns, source.rows)
        for (row, index) in indices.numbers.enumerated() {
            for column in 0..<width { to[row * width + column] = from[column * length + Int(index)] }
        }
    }

    /// See `Backend`.
    public func scatterAddColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(source.rows == indices.count && source.columns == destination.rows, "shapes differ")
        let (from, to, length, width) = (source.pointer, destination.pointer, destination.columns, source.columns)
        for (row, index) in indices.numbers.enumerated() {
            for column in 0..<width { to[column * length + Int(index)] += from[row * width + column] }
        }
    }

    /// See `Backend`.
    public func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix) {
        let (g, u, to, width) = (gate.pointer, up.pointer, h.pointer, gate.columns)
        let kernel = activation == .silu ? kernels.layer.silu_gate : kernels.layer.gelu_gate
        split(gate.rows, work: 4 * gate.rows * width) { _, rows in
            kernel?(g, u, to, rows.lowerBound * width, rows.upperBound * width)
        }
    }

    /// See `Backend`.
    public func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix) {
        let (g, u, d, width) = (gate.pointer, up.pointer, dh.pointer, gate.columns)
        let kernel = activation == .silu ? kernels.layer.silu_gate_backward : kernels.layer.gelu_gate_backward
        split(gate.rows) { _, rows in
            kernel?(g, u, d, g, u, rows.lowerBound * width, rows.upperBound * width)
        }
    }

    /// See `Backend`.
    public func split(_ joined: Matrix, into parts: [Matrix]) {
        columns(joined, parts) { wide, narrow, count in narrow.update(from: wide, count: count) }
    }

    /// See `Backend`.
    public func join(_ parts: [Matrix], into joined: Matrix) {
        columns(joined, parts) { wide, narrow, count in wide.update(from: narrow, count: count) }
    }

    /// Calls `move` for each row's stretches of a wide matrix, which stand for the rows of narrower ones.
    private func columns(
        _ joined: Matrix, _ parts: [Matrix],
        _ move: (_ wide: UnsafeMutablePointer<Float>, _ narrow: UnsafeMutablePointer<Float>, _ count: Int) -> Void
    ) {
        precondition(
            parts.reduce(0) { $0 + $1.columns } == joined.columns && parts.allSatisfy { $0.rows == joined.rows },
            "shapes differ")
        let (wide, width) = (joined.pointer, joined.columns)
        let narrow = parts.map { (pointer: $0.pointer, columns: $0.columns) }
        split(joined.rows, work: joined.rows * width) { _, rows in
            for row in rows {
                var wide = wide + row * width
                for part in narrow {
                    move(wide, part.pointer + row * part.columns, part.columns)
                    wide += part.columns
                }
            }
        }
    }

    /// See `Backend`.
    public func rope(_ x: Matrix, headSize: Int, table: RotaryTable, _ pass: Pass, inverse: Bool) {
        precondition(x.rows == pass.rows && pass.maxContext <= table.positions, "shapes differ")
        let (base, positions) = (x.pointer, pass.cpu.positions)
        let (cosines, sines) = (table.cpu.cosines.pointer, table.cpu.sines.pointer)
        let (heads, half) = (Int32(x.columns / headSize), Int32(table.dimensions / 2))
        precondition(table.dimensions <= headSize, "the table goes beyond a head")
        split(x.rows, work: 2 * x.rows * x.columns) { _, rows in
            self.kernels.layer.rope(
                base, x.columns, heads, Int32(headSize), half, cosines, sines, positions, inverse ? -1 : 1,
                Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func scale(_ x: Matrix, by factor: Float) {
        let base = x.pointer
        split(x.rows * x.columns, work: x.rows * x.columns) { _, range in
            for i in range { base[i] *= factor }
        }
    }
}
