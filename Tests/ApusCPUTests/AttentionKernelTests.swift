import Testing

@Suite struct AttentionKernelTests {
    @Test(arguments: PagedAttention.subjects, AttentionShape.all)
    func `forward and backward match the definition`(subject: PagedAttention.Subject, shape: AttentionShape) {
        let inputs = AttentionInputs(shape)
        let attention = PagedAttention(shape, inputs, subject)
        let reference = AttentionReference(shape, attention.roundedInputs())
        // Beside what it reads, the 16-bit kernel rounds the weights of values: to 1 / 8,190 of the largest of 64.
        let weights = subject.isFixed ? 4e-4 : 0
        let forward = attention.forward()
        #expect(largestError(forward.out, reference.out) < 2e-6 + weights)
        #expect(largestError(forward.logSumExp, reference.logSumExp) < 3e-6)

        var gradients = attention.backward(forward, sequences: Array(0..<shape.sequences))
        for i in gradients.prefixK.indices {
            gradients.k[i] += gradients.prefixK[i]
            gradients.v[i] += gradients.prefixV[i]
        }
        #expect(largestError(gradients.q, reference.dQ) < 2e-6 + weights)
        #expect(largestError(gradients.k, reference.dK) < 2e-5 + 4 * weights)
        #expect(largestError(gradients.v, reference.dV) < 2e-5)
    }

    /// The distance to attention without any rounding, and what a key bias a hundred times the rest does to it.
    @Test(arguments: PagedAttention.instructionSets, [0, 100] as [Float])
    func `rounding to 16 bits stays within the format's error`(instructionSet: String, offset: Float) {
        let shape = AttentionShape(heads: 9, keyValueHeads: 3, headSize: 64, prompt: 150, completions: [20])
        var inputs = AttentionInputs(shape)
        for i in stride(from: 5, to: inputs.k.count, by: shape.headSize) { inputs.k[i] += offset }
        let attention = PagedAttention(shape, inputs, .init(instructionSet: instructionSet, isFixed: true))
        let error = largestError(attention.forward().out, AttentionReference(shape, inputs).out)
        #expect(error < (offset == 0 ? 4e-4 : 8e-3), "\(error)")
    }

    @Test func `instruction sets with a fused multiply-add give the same bits`() {
        let shape = AttentionShape.all[3]
        let fused = PagedAttention.subjects.filter { !["portable", "emulated-bf16"].contains($0.instructionSet) }
        for isFixed in [false, true] {
            let outputs = fused.filter { $0.isFixed == isFixed }.map {
                PagedAttention(shape, AttentionInputs(shape), $0).forward()
            }
            for output in outputs { #expect(output == outputs[0]) }
        }
    }

    @Test(arguments: PagedAttention.subjects, [Float.nan, .infinity, -.infinity])
    func `what is not finite shows in all that sees it`(subject: PagedAttention.Subject, poison: Float) {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headSize: 40, prompt: 0, completions: [40])
        let clean = PagedAttention(shape, AttentionInputs(shape), subject).forward()
        let places: [WritableKeyPath<AttentionInputs, [Float]>] = [\.k, \.v]
        for place in places {
            var inputs = AttentionInputs(shape)
            // Position 19, the second key/value head.
            inputs[keyPath: place][19 * shape.keyValueWidth + shape.headSize + 33] = poison
            let out = PagedAttention(shape, inputs, subject).forward().out
            for row in 0..<shape.rows {
                let middle = row * shape.width + shape.width / 2
                let first = (row * shape.width)..<middle
                let second = middle..<((row + 1) * shape.width)
                #expect(out[first] == clean.out[first])
                if row < 19 {
                    #expect(out[second] == clean.out[second])
                } else {
                    #expect(out[second].contains { !$0.isFinite })
                }
            }
        }
    }

    @Test func `the definition's gradient is the slope of its loss`() {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headSize: 4, prompt: 3, completions: [4, 2])
        let inputs = AttentionInputs(shape)
        let reference = AttentionReference(shape, inputs)
        let step: Float = 0x1p-8
        func slope(_ path: WritableKeyPath<AttentionInputs, [Float]>, _ index: Int) -> Double {
            var up = inputs
            var down = inputs
            up[keyPath: path][index] += step
            down[keyPath: path][index] -= step
            let width = Double(up[keyPath: path][index]) - Double(down[keyPath: path][index])
            return (AttentionReference(shape, up).loss(up) - AttentionReference(shape, down).loss(down)) / width
        }
        for index in inputs.q.indices { #expect(abs(slope(\.q, index) - reference.dQ[index]) < 1e-4) }
        for index in inputs.k.indices {
            #expect(abs(slope(\.k, index) - reference.dK[index]) < 1e-4)
            #expect(abs(slope(\.v, index) - reference.dV[index]) < 1e-4)
        }
    }

    @Test(arguments: PagedAttention.subjects, AttentionShape.all)
    func `a row's bits do not depend on the rows and heads beside it`(
        subject: PagedAttention.Subject, shape: AttentionShape
    ) {
        let attention = PagedAttention(shape, AttentionInputs(shape), subject)
        let together = attention.forward()
        let rows = Array(0..<shape.rows)
        let heads = 0..<shape.keyValueHeads
        #expect(attention.forward(order: rows, pieces: rows.map { ($0..<($0 + 1), heads) }) == together)
        #expect(attention.forward(order: rows, pieces: heads.map { (0..<rows.count, $0..<($0 + 1)) }) == together)
        let split = rows.count / 3
        #expect(attention.forward(order: rows, pieces: [(split..<rows.count, heads), (0..<split, heads)]) == together)
    }

    @Test(arguments: PagedAttention.subjects, AttentionShape.all)
    func `rows of different sequences can be neighbours`(subject: PagedAttention.Subject, shape: AttentionShape) {
        let attention = PagedAttention(shape, AttentionInputs(shape), subject)
        let together = attention.forward()
        // The last rows of all sequences are what a step of decoding computes; a stride mixes all contexts as well.
        let stride = [7, 11, 13].first { shape.rows % $0 != 0 } ?? 1
        let orders = [
            (0..<shape.sequences).compactMap { shape.ownRows($0).last },
            (0..<shape.rows).map { $0 * stride % shape.rows },
        ]
        for order in orders {
            let mixed = attention.forward(order: order, pieces: [(0..<order.count, 0..<shape.keyValueHeads)])
            for (index, row) in order.enumerated() {
                #expect(slice(mixed.out, index, shape.width) == slice(together.out, row, shape.width))
                #expect(slice(mixed.logSumExp, index, shape.heads) == slice(together.logSumExp, row, shape.heads))
            }
        }
    }

    @Test(arguments: PagedAttention.subjects, AttentionShape.all)
    func `slots without a key change nothing`(subject: PagedAttention.Subject, shape: AttentionShape) {
        let inputs = AttentionInputs(shape)
        let clean = PagedAttention(shape, inputs, subject, garbage: 0)
        let forward = clean.forward()
        let gradients = clean.backward(forward, sequences: Array(0..<shape.sequences))
        for garbage in [Float.nan, .infinity, -.greatestFiniteMagnitude] {
            let dirty = PagedAttention(shape, inputs, subject, garbage: garbage)
            #expect(dirty.forward() == forward)
            #expect(dirty.backward(forward, sequences: Array(0..<shape.sequences)) == gradients)
        }
    }

    /// A run's first row, and a decoding step's row: pages before their windows may be anybody's by now.
    @Test(arguments: PagedAttention.subjects, AttentionShape.all.filter { $0.window > 0 })
    func `pages before every window change nothing`(subject: PagedAttention.Subject, shape: AttentionShape) {
        let inputs = AttentionInputs(shape)
        let clean = PagedAttention(shape, inputs, subject)
        let forward = clean.forward()
        for sequence in 1..<shape.sequences {
            let gradients = clean.backward(forward, sequences: [sequence])
            let rows = shape.ownRows(sequence)
            let own = (rows.lowerBound * shape.width)..<(rows.upperBound * shape.width)
            for garbage in [Float.nan, .infinity, -.greatestFiniteMagnitude] {
                let run = PagedAttention(shape, inputs, subject)
                run.spoil(sequence: sequence, before: shape.prompt + 1 - shape.window, with: garbage)
                let same = run.backward(forward, sequences: [sequence])
                // The other rows of q's gradient are not this run's.
                #expect(same.q[own] == gradients.q[own])
                #expect(same.k == gradients.k && same.v == gradients.v)
                #expect(same.prefixK == gradients.prefixK && same.prefixV == gradients.prefixV)

                let step = PagedAttention(shape, inputs, subject)
                step.spoil(
                    sequence: sequence, before: shape.rowsByPosition(sequence).count - shape.window, with: garbage)
                let last = step.forward(order: [rows.upperBound - 1], pieces: [(0..<1, 0..<shape.keyValueHeads)])
                #expect(last.out[...] == slice(forward.out, rows.upperBound - 1, shape.width))
            }
        }
    }

    @Test(arguments: PagedAttention.subjects, AttentionShape.all)
    func `a run's gradients do not depend on other runs`(subject: PagedAttention.Subject, shape: AttentionShape) {
        let attention = PagedAttention(shape, AttentionInputs(shape), subject)
        let forward = attention.forward()
        let all = attention.backward(forward, sequences: Array(0..<shape.sequences))
        for sequence in 0..<shape.sequences {
            let alone = attention.backward(forward, sequences: [sequence])
            for row in shape.ownRows(sequence) {
                #expect(slice(alone.q, row, shape.width) == slice(all.q, row, shape.width))
                #expect(slice(alone.k, row, shape.keyValueWidth) == slice(all.k, row, shape.keyValueWidth))
                #expect(slice(alone.v, row, shape.keyValueWidth) == slice(all.v, row, shape.keyValueWidth))
            }
        }
    }

    @Test(arguments: PagedAttention.subjects)
    func `gradients of keys and values are added to`(subject: PagedAttention.Subject) {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headSize: 16, prompt: 21, completions: [14])
        let attention = PagedAttention(shape, AttentionInputs(shape), subject)
        let forward = attention.forward()
        let fromZero = attention.backward(forward, sequences: [1])
        let fromHalf = attention.backward(forward, sequences: [1], start: 0.5)
        #expect(fromHalf.q[(21 * shape.width)...] == fromZero.q[(21 * shape.width)...])
        #expect(fromHalf.k == fromZero.k.map { 0.5 + $0 })
        #expect(fromHalf.v == fromZero.v.map { 0.5 + $0 })
        #expect(fromHalf.prefixK == fromZero.prefixK.map { 0.5 + $0 })
        #expect(fromHalf.prefixV == fromZero.prefixV.map { 0.5 + $0 })
        // The prompt's rows are not this run's: their place in the packed gradients stays as it was.
        #expect(fromZero.k[..<(21 * shape.keyValueWidth)].allSatisfy { $0 == 0 })
        #expect(fromZero.prefixK.contains { $0 != 0 })
    }
}

/// Row `index` of a packed matrix.
private func slice(_ matrix: [Float], _ index: Int, _ width: Int) -> ArraySlice<Float>.SubSequence {
    matrix[(index * width)..<((index + 1) * width)]
}

/// The largest distance, infinite where a number is not finite.
private func largestError(_ found: [Float], _ wanted: [Double]) -> Double {
    zip(found, wanted).reduce(found.count == wanted.count ? 0 : .infinity) {
        $1.0.isFinite ? max($0, abs(Double($1.0) - $1.1)) : .infinity
    }
}
