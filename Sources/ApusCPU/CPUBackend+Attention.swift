public import ApusTensor
internal import CKernels

extension CPUBackend {
    /// What writing an element of a key and a value costs beside touching one.
    package static let writingWeight = 8

    /// See `Backend`.
    public func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, _ pass: Pass) {
        let (pages, rows, slots) = (cache.cpu.layer(layer), pass.cpu.writeRows, pass.cpu.writeSlots)
        let (keys, keyWidth, values, valueWidth) = (k.pointer, k.columns, v.pointer, v.columns)
        rows.withUnsafeBufferPointer { rows in
            slots.withUnsafeBufferPointer { slots in
                guard let fromRows = rows.baseAddress, let toSlots = slots.baseAddress else { return }
                // Slots of one page share no element.
                split(rows.count, work: Self.writingWeight * rows.count * keyWidth) { _, range in
                    var pages = pages
                    self.kernels.attention.write(
                        &pages, keys, keyWidth, values, valueWidth, fromRows + range.lowerBound,
                        toSlots + range.lowerBound, Int32(range.count))
                }
            }
        }
    }

    /// See `Backend`. A task is a block of rows of one key/value head.
    public func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, rule: AttentionRule, _ pass: Pass, into out: Matrix,
        logSumExp: Matrix?
    ) {
        precondition(q.rows == pass.rows && out.rows == pass.rows, "rows of another pass")
        // Neighbouring rows share the loads of common pages; a decode step's few rows are cut once for each thread.
        let rowBlock = q.rows > 256 ? 32 : (q.rows + pool.threads - 1) / pool.threads
        let blocks = (q.rows + rowBlock - 1) / rowBlock
        let heads = cache.shape.keyValueHeads
        let (pages, visible) = (cache.cpu.layer(layer, rule), pass.cpu.visible)
        let (queries, results, sums) = (q.pointer, out.pointer, logSumExp?.pointer)
        visible.tables.withUnsafeBufferPointer { tables in
            visible.tableOffsets.withUnsafeBufferPointer { offsets in
                visible.contexts.withUnsafeBufferPointer { contexts in
                    let seen = apus_visibility(
                        tables: tables.baseAddress, table_offset: offsets.baseAddress, context: contexts.baseAddress)
                    deal(blocks * heads) { thread, task in
                        var (pages, seen) = (pages, seen)
                        let begin = task / heads * rowBlock
                        self.kernels.attention.forward(
                            &pages, &seen, queries, q.columns, results, out.columns, sums,
                            Int32(begin), Int32(min(begin + rowBlock, q.rows)), Int32(task % heads),
                            Int32(task % heads + 1), self.scratch(thread))
                    }
                }
            }
        }
    }

    /// What each thread works in, in fp32 values: forwards or backwards over the longest sequence.
    func attentionScratch(_ shape: KeyValueCache.Shape, maxContext: Int) -> Int {
        var pages = shape.pages(at: nil)
        return max(
            kernels.attention.forward_scratch(&pages, Int32(maxContext)),
            kernels.attention.backward_scratch(&pages, Int32(maxContext)))
    }

    /// See `Backend`. A task is one segment and one key/value head; what a completion adds to its prompt's keys is kept
    /// apart and summed in the segments' order, so the bits do not depend on which thread was first.
    public func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        rule: AttentionRule, _ pass: Pass, dq: Matrix, dk: Matrix, dv: Matrix
    ) {
        precondition(q.rows == pass.rows, "rows of another pass")
        fill(dk, with: 0)
        fill(dv, with: 0)
        let (width, segments, offsets) = (dk.columns, pass.cpu.segments, pass.cpu.prefixOffsets)
        let prefix = prefix(pass.cpu.prefixCount)
        prefix.update(repeating: 0, count: pass.cpu.prefixCount)
        let (pages, tables) = (cache.cpu.layer(layer, rule), pass.cpu.visible.tables)
        let heads = cache.shape.keyValueHeads
        tables.withUnsafeBufferPointer { tables in
            deal(segments.count * heads) { thread, task in
                let segment = segments[task / heads]
                var pages = pages
                var run = apus_run(
                    first_row: Int32(segment.firstRow), rows: Int32(segment.rows),
                    first_position: Int32(segment.firstPosition), table: tables.baseAddress! + segment.tableOffset)
                let dPrefix = prefix + offsets[task / heads]
                self.kernels.attention.backward(
                    &pages, &run, Int32(task % heads), q.pointer, q.columns, out.pointer, dOut.pointer, out.columns,
                    logSumExp.pointer, dq.pointer, dq.columns, dk.pointer, dv.pointer, width, dPrefix,
                    dPrefix + segment.firstPosition * width, self.scratch(thread))
            }
        }
        for (index, segment) in segments.enumerated() {
            guard let parent = segment.parentFirstRow else { continue }
            let count = segment.firstPosition * width
            let from = prefix + offsets[index]
            kernels.layer.add(dk.pointer + parent * width, from, 0, count)
            kernels.layer.add(dv.pointer + parent * width, from + count, 0, count)
        }
    }
}
