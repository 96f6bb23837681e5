public import ApusTensor

extension PlainBackend {
    /// See `Backend`.
    public func embed(_ tokens: Indices, table: Weight, into x: Matrix) {
        let (table, x) = (own(table), own(x))
        let tokens = own(tokens, below: table.outputs)
        x.requireShape(tokens.count, table.inputs)
        enqueue {
            for (row, token) in tokens.enumerated() { x.row(row).update(from: table.row(token), count: x.columns) }
        }
    }

    // MARK: Norms

    /// See `Backend`.
    public func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (x, gain, y) = (own(x), own(gain), own(y))
        y.requireShape(of: x)
        gain.requireCount(x.columns)
        y.requireApart(y.isSame(as: x) ? nil : x, gain)
        enqueue { norm(x, gain, epsilon, into: y) }
    }

    /// See `Backend`.
    public func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (x, d, gain, y) = (own(x), own(d), own(gain), own(y))
        for other in [d, y] { other.requireShape(of: x) }
        gain.requireCount(x.columns)
        x.requireApart(d, gain, y)
        y.requireApart(d, gain)
        enqueue {
            addScaled(x.base, 1, d.base, x.count)
            norm(x, gain, epsilon, into: y)
        }
    }

    /// See `Backend`. With r = 1 / rms(x), y = r · x · gain: dx += r (g - x · r² · mean(g x)) for g = gain · dy.
    public func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix) {
        let (x, gain, dy, dx) = (own(x), own(gain), own(dy), own(dx))
        for other in [dy, dx] { other.requireShape(of: x) }
        gain.requireCount(x.columns)
        dx.requireApart(x, gain, dy)
        enqueue {
            for row in 0..<x.rows {
                let (width, x, gain, dy, dx) = (x.columns, x.row(row), gain.base, dy.row(row), dx.row(row))
                let inverse = inverseRootMeanSquare(x, width, epsilon)
                var sum = 0.0
                for i in 0..<width { sum += Double(gain[i] * dy[i]) * Double(x[i]) }
                let along = Float(sum / Double(width)) * inverse * inverse
                for i in 0..<width { dx[i] += inverse * (gain[i] * dy[i] - along * x[i]) }
            }
        }
    }

    // MARK: Sums

    /// See `Backend`.
    public func add(_ x: Matrix, _ d: Matrix) {
        let (x, d) = (own(x), own(d))
        d.requireShape(of: x)
        x.requireApart(d)
        enqueue { addScaled(x.base, 1, d.base, x.count) }
    }

    /// See `Backend`.
    public func scale(_ x: Matrix, by factor: Float) {
        let x = own(x)
        enqueue {
            let values = x.base
            for i in 0..<x.count { values[i] *= factor }
        }
    }

    // MARK: Rows and columns that are looked up

    /// See `Backend`.
    public func gather(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        let (from, to) = (own(source), own(destination))
        let indices = own(indices, below: from.rows)
        to.requireShape(indices.count, from.columns)
        to.requireApart(from)
        enqueue {
            for (row, index) in indices.enumerated() { to.row(row).update(from: from.row(index), count: to.columns) }
        }
    }

    /// See `Backend`.
    public func scatterAdd(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        let (from, to) = (own(source), own(destination))
        let indices = own(indices, below: to.rows)
        from.requireShape(indices.count, to.columns)
        to.requireApart(from)
        enqueue {
            for (row, index) in indices.enumerated() { addScaled(to.row(index), 1, from.row(row), to.columns) }
        }
    }

    /// See `Backend`.
    public func gatherColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        let (from, to) = (own(source), own(destination))
        let indices = own(indices, below: from.columns)
        to.requireShape(indices.count, from.rows)
        to.requireApart(from)
        enqueue {
            for (row, index) in indices.enumerated() {
                for column in 0..<to.columns { to.row(row)[column] = from.row(column)[index] }
            }
        }
    }

    /// See `Backend`.
    public func scatterAddColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        let (from, to) = (own(source), own(destination))
        let indices = own(indices, below: to.columns)
        from.requireShape(indices.count, to.rows)
        to.requireApart(from)
        enqueue {
            for (row, index) in indices.enumerated() {
                for column in 0..<from.columns { to.row(column)[index] += from.row(row)[column] }
            }
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
        _ move: @escaping (_ wide: UnsafeMutablePointer<Float>, _ narrow: UnsafeMutablePointer<Float>, Int) -> Void
    ) {
        let (joined, parts) = (own(joined), parts.map { own($0) })
        for part in parts {
            part.requireShape(joined.rows, part.columns)
            part.requireApart(joined)
        }
        joined.requireShape(joined.rows, parts.reduce(0) { $0 + $1.columns })
        enqueue {
            for row in 0..<joined.rows {
                var wide = joined.row(row)
                for part in parts {
                    move(wide, part.row(row), part.columns)
                    wide += part.columns
                }
            }
        }
    }

    // MARK: Kept rows

    /// See `Backend`.
    public func keep(_ x: Matrix, _ pass: Pass, firstRow: Int, in kept: KeptRows, stream: Int) {
        keptRows(x, pass, firstRow, kept, stream) { row, place, count in place.update(from: row, count: count) }
    }

    /// See `Backend`.
    public func recall(_ kept: KeptRows, stream: Int, _ pass: Pass, firstRow: Int, into x: Matrix) {
        keptRows(x, pass, firstRow, kept, stream) { row, place, count in row.update(from: place, count: count) }
    }

    /// Calls `move` for each row and the place where it is kept.
    private func keptRows(
        _ x: Matrix, _ pass: Pass, _ firstRow: Int, _ kept: KeptRows, _ stream: Int,
        _ move: @escaping (_ row: UnsafeMutablePointer<Float>, _ place: UnsafeMutablePointer<Float>, Int) -> Void
    ) {
        let (x, pass, kept) = (own(x), own(pass, as: PlainPass.self), own(kept, as: PlainKeptRows.self))
        pass.requireNamed(kept)
        x.requireShape(x.rows, kept.shape.columns)
        precondition(0..<kept.shape.streams ~= stream, "no stream \(stream)")
        precondition(firstRow >= 0 && firstRow + x.rows <= pass.rows, "rows of another pass")
        let slots = pass.batch.slots[firstRow..<firstRow + x.rows].map(Int.init)
        precondition(slots.allSatisfy { $0 < kept.pages * KeyValueCache.pageTokens }, "a slot of no page")
        enqueue {
            for (row, slot) in slots.enumerated() { move(x.row(row), kept.row(slot, stream: stream), x.columns) }
        }
    }
}

private func norm(_ x: PlainMatrix, _ gain: PlainMatrix, _ epsilon: Float, into y: PlainMatrix) {
    for row in 0..<x.rows {
        let (width, x, gain, y) = (x.columns, x.row(row), gain.base, y.row(row))
        let inverse = inverseRootMeanSquare(x, width, epsilon)
        for i in 0..<width { y[i] = x[i] * inverse * gain[i] }
    }
}
