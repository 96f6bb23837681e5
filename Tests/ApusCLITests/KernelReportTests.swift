import Apus
import Foundation
import Testing

@testable import ApusCLI

@Suite struct KernelReportTests {
    private let report = KernelReport(
        backend: "CPU, avx2, 2 threads",
        oneThread: .init(fp32: 90, pair16: 180, pair16Instruction: "vpmaddwd and vpaddd", read: 10),
        allThreads: .init(fp32: 180, pair16: 360, pair16Instruction: "vpmaddwd and vpaddd", read: 15),
        products: [
            .init(
                format: "nf4", direction: "forward", rows: 6, inputs: 576, outputs: 1536, gigaflops: 45,
                shareOfFP32Peak: 0.25, shareOfPairPeak: 0.125, weightRead: 3, shareOfReadPeak: 0.2),
            .init(
                format: "bf16", direction: "backward", rows: 512, inputs: 576, outputs: 1536, gigaflops: 144,
                shareOfFP32Peak: 0.8, shareOfPairPeak: 0.4, weightRead: nil, shareOfReadPeak: nil),
        ],
        head: [
            .init(
                format: "int8", direction: "forward", rows: 1, inputs: 576, outputs: 49_152, gigaflops: 18,
                shareOfFP32Peak: 0.1, shareOfPairPeak: 0.05, weightRead: 12, shareOfReadPeak: 0.8)
        ],
        attention: [
            .init(
                model: "SmolLM2-135M", direction: "forward", rows: 1312, context: nil, gigaflops: 60,
                shareOfFP32Peak: 1.0 / 3, shareOfPairPeak: 1.0 / 6, pagesRead: nil, shareOfReadPeak: nil),
            .init(
                model: "SmolLM2-135M", direction: "forward", rows: 6, context: 300, gigaflops: 36,
                shareOfFP32Peak: 0.2, shareOfPairPeak: 0.1, pagesRead: 9, shareOfReadPeak: 0.6),
        ],
        rows: [
            .init(
                model: "SmolLM2-135M", operation: "rounding", rows: 6, columns: 576, microseconds: 0.54,
                blockNanoseconds: 10, gigabytesPerSecond: 38.4)
        ],
        steps: [
            .init(
                model: "SmolLM2-135M", work: "decode", sequences: 6,
                parts: [
                    .init(name: "products", milliseconds: 8, limitMilliseconds: 4, share: 1, isContained: false),
                    .init(name: "rounding", milliseconds: 2, limitMilliseconds: 0, share: 0.25, isContained: true),
                ], milliseconds: 8, limitMilliseconds: 4)
        ])

    private func keys(_ value: JSONValue?, at index: Int = 0) throws -> Set<String> {
        let array = try #require(value?.array)
        return Set(try #require(array[index].object).keys)
    }

    @Test func jsonHasEveryField() throws {
        let text = try JSONLine.encode(report)
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
        #expect(
            Set(fields.keys) == [
                "peer", "backend", "one_thread", "all_threads", "products", "head", "attention", "rows", "steps",
            ])
        let peaks = try #require(fields["all_threads"]?.object)
        #expect(Set(peaks.keys) == ["fp32_gflops", "pair16_gflops", "pair16_instruction", "read_gb_per_second"])
        let arithmetic: Set = ["direction", "rows", "gflops", "share_of_fp32_peak", "share_of_pair16_peak"]
        let many = arithmetic.union(["format", "inputs", "outputs"])
        let few = many.union(["weight_gb_per_second", "share_of_read_peak"])
        #expect(try keys(fields["products"]) == few && keys(fields["products"], at: 1) == many)
        #expect(try keys(fields["head"]) == few)
        let group = arithmetic.union(["model"])
        #expect(try keys(fields["attention"]) == group)
        #expect(
            try keys(fields["attention"], at: 1)
                == group.union(["context", "page_gb_per_second", "share_of_read_peak"]))
    }

    @Test func jsonHasRowsAndSteps() throws {
        let text = try JSONLine.encode(report)
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
        #expect(
            try keys(fields["rows"]) == [
                "model", "operation", "rows", "columns", "microseconds", "block_nanoseconds", "gb_per_second",
            ])
        #expect(
            try keys(fields["steps"]) == [
                "model", "work", "sequences", "parts", "milliseconds", "limit_milliseconds",
            ])
        let step = try #require(fields["steps"]?.array?.first?.object)
        #expect(
            try keys(step["parts"]) == ["name", "milliseconds", "limit_milliseconds", "share", "contained"])
    }

    @Test func textHasATableForEachPart() {
        let parts = report.description.split(separator: "\n\n").map { $0.split(separator: "\n") }
        #expect(parts.map(\.count) == [1, 3, 3, 2, 3, 2, 4])
        #expect(parts[1][0].contains("16-bit GFLOP/s (vpmaddwd and vpaddd)"))
        #expect(parts[2][1].hasSuffix("45.0     25 %       12 %          3.0     20 %"), "\(parts[2][1])")
        #expect(parts[2][2].hasSuffix("144.0     80 %       40 %"), "\(parts[2][2])")
        let step = parts[6].map { $0.split(separator: " ").joined(separator: " ") }
        #expect(step[0] == "SmolLM2-135M, decode 6 ms limit, ms limit/ms share")
        #expect(step[1] == "products 8.00 4.00 50 % 100 %")
        #expect(step[2...] == ["of it rounding 2.00 0.00 25 %", "sum 8.00 4.00 50 % 100 %"])
    }
}
