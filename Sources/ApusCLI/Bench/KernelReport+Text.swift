import Apus

extension KernelReport: CustomStringConvertible {
    var description: String {
        let tables = [
            peakTable, productTable("weight", products), productTable("head", head), attentionTable, rowTable,
        ]
        return ([backend] + (tables + steps.map(\.table)).map(\.description)).joined(separator: "\n\n")
    }

    private var peakTable: TextTable {
        let pairs = "16-bit GFLOP/s (\(allThreads.pair16Instruction))"
        var table = TextTable(head: ["peak", "fp32 GFLOP/s", pairs, "read GB/s"])
        for (name, peaks) in [("one thread", oneThread), ("all threads", allThreads)] {
            table.add([name] + [peaks.fp32, peaks.pair16, peaks.read].map { fixed($0, 1) })
        }
        return table
    }

    private func productTable(_ name: String, _ products: [Product]) -> TextTable {
        var table = TextTable(
            head: [name, "product", "rows", "shape", "GFLOP/s", "of fp32", "of 16-bit", "weight GB/s", "of read"],
            wordColumns: 2)
        for product in products {
            let read = [product.weightRead.map { fixed($0, 1) }, product.shareOfReadPeak.map(percent)]
            table.add(
                [
                    product.format, product.direction, "\(product.rows)", "\(product.inputs)→\(product.outputs)",
                    fixed(product.gigaflops, 1), percent(product.shareOfFP32Peak), percent(product.shareOfPairPeak),
                ] + read.compactMap { $0 })
        }
        return table
    }

    private var attentionTable: TextTable {
        var table = TextTable(
            head: [
                "attention", "pass", "rows", "context", "GFLOP/s", "of fp32", "of 16-bit", "pages GB/s", "of read",
            ], wordColumns: 2)
        for pass in attention {
            let read = [pass.pagesRead.map { fixed($0, 1) }, pass.shareOfReadPeak.map(percent)]
            table.add(
                [
                    pass.model, pass.direction, "\(pass.rows)", pass.context.map { "\($0)" } ?? "group",
                    fixed(pass.gigaflops, 1), percent(pass.shareOfFP32Peak), percent(pass.shareOfPairPeak),
                ] + read.compactMap { $0 })
        }
        return table
    }

    private var rowTable: TextTable {
        var table = TextTable(
            head: ["rows", "operation", "rows", "columns", "µs", "ns a block of 64", "GB/s"], wordColumns: 2)
        for work in rows {
            table.add([
                work.model, work.operation, "\(work.rows)", "\(work.columns)", fixed(work.microseconds, 1),
                fixed(work.blockNanoseconds, 2), fixed(work.gigabytesPerSecond, 1),
            ])
        }
        return table
    }
}
