import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusData

@Suite("Splits and slices of data sets")
struct SplitTests {
    struct Golden: Decodable {
        struct Slice: Decodable {
            let spec: String
            let count: Int
            let range: [Int]
        }
        let slices: [Slice]
    }

    @Test("A slice is the rows that datasets takes")
    func golden() throws {
        let slices = try Fixture.json("data/layouts.json", as: Golden.self).slices
        #expect(slices.count > 500)
        for golden in slices {
            let part = try SplitExpression(golden.spec).parts[0]
            let range = part.slice.range(of: golden.count)
            let wanted = golden.range[0]..<max(golden.range[0], golden.range[1])
            #expect(range == wanted, "\(golden.spec) of \(golden.count)")
        }
    }

    @Test("Parts follow each other")
    func sum() throws {
        let parts = try SplitExpression("train[:10%] + test[5:] + valid_1.a").parts
        #expect(
            parts == [
                .init("train", RowSlice(to: .percent(10))), .init("test", RowSlice(from: .rows(5))), .init("valid_1.a"),
            ])
    }

    @Test(
        "What is no split is refused",
        arguments: [
            "", "train[", "train[5]", "train[:]x", "a b", "train[:200%]", "train[1:2:3]", "[1:2]", "train+", "a/b",
            "train[:99999999999999999999]", "train[a:]", "train[+1:]", "train\n",
        ])
    func refused(_ text: String) throws {
        let error = #expect(throws: DataError.self) { try SplitExpression(text, name: "dataset_train_split") }
        #expect(error?.description.contains("\n") == false && error?.file == "dataset_train_split")
    }
}

@Suite("Data sets on this machine")
struct LocalDatasetTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private var path: String { folder.url.path(percentEncoded: false) }

    private func write(_ name: String, _ rows: Range<Int>) throws {
        let file = folder.url.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(rows.map { "{\"n\": \($0)}\n" }.joined().utf8).write(to: file)
    }

    private func numbers(_ dataset: LocalDataset, _ split: String, _ configuration: String? = nil) throws -> [Int?] {
        let source = try dataset.rows(configuration: configuration, split: SplitExpression(split))
        let rows = try Dataset.rows(of: source)
        #expect(try source.count() == rows.count)
        return rows.map { $0["n"]?.integer }
    }

    @Test("Several files are one split, of which slices are taken as of one")
    func files() throws {
        try write("a/part-1.jsonl", 0..<4)
        try write("a/part-2.jsonl", 4..<10)
        try write("a/other.txt", 0..<1)
        let dataset = try LocalDataset(path: "\(path)/a/*.jsonl")
        #expect(try numbers(dataset, "train") == Array(0..<10))
        #expect(try numbers(dataset, "train[3:5]") == [3, 4])
        #expect(try numbers(dataset, "train[-2:]+train[:10%]") == [8, 9, 0])
        #expect(try numbers(LocalDataset(path: "\(path)/a"), "train[50%:]") == Array(5..<10))
        #expect(
            try numbers(LocalDataset(patterns: ["\(path)/a/part-2.jsonl", "\(path)/**/part-1.*"], name: "x"), "train")
                == [4, 5, 6, 7, 8, 9, 0, 1, 2, 3])
    }

    @Test("A README tells configurations and splits")
    func card() throws {
        try write("main/train-0.jsonl", 0..<3)
        try write("main/test-0.jsonl", 3..<5)
        try write("more/a.jsonl", 5..<7)
        let card =
            "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n"
            + "    path: main/test-*\n- config_name: more\n  data_files: more/*\n---\n"
        _ = try folder.write(Data(card.utf8), as: "README.md")
        let dataset = try LocalDataset(path: path, name: "org/name")
        #expect(try numbers(dataset, "test", "main") == [3, 4])
        #expect(try numbers(dataset, "train", "more") == [5, 6])
        for (configuration, split, says) in [
            (
                nil, "train",
                "org/name: has several configurations and no default one; set dataset_config to one of main, more"
            ),
            ("many", "train", "org/name: has no configuration 'many'; set dataset_config to one of main, more"),
            ("main", "dev", "org/name: wanted split 'dev', found train, test; choose with"),
        ] as [(String?, String, String)] {
            let error = #expect(throws: DataError.self) {
                try dataset.rows(configuration: configuration, split: SplitExpression(split))
            }
            #expect(error?.description.hasPrefix(says) == true, "\(error?.description ?? "")")
        }
    }

    @Test("A slice without rows is an error that says so")
    func emptySlice() throws {
        try write("a.jsonl", 0..<3)
        let source = try LocalDataset(path: "\(path)/a.jsonl").rows(split: SplitExpression("train[3:]"))
        let error = #expect(throws: DataError.self) { try Dataset.rows(of: source) }
        #expect(error?.message == "wanted at least one row, found 0: the split names none of the 3 rows that were read")
    }

    @Test("Only the columns that are asked for stay, in that order")
    func columns() throws {
        _ = try folder.write(Data("{\"a\": 1, \"b\": 2, \"c\": 3}\n".utf8), as: "a.jsonl")
        let dataset = try LocalDataset(path: "\(path)/a.jsonl")
        let rows = try Dataset.rows(of: dataset.rows(split: SplitExpression("train"), columns: ["c", "a"]))
        #expect(rows[0].members?.map(\.key) == ["c", "a"])
        let error = #expect(throws: DataError.self) {
            try Dataset.rows(of: dataset.rows(split: SplitExpression("train"), columns: ["d"]))
        }
        #expect(error?.code == .missingColumn && error?.message.contains("found a, b, c") == true)
    }

    @Test("What is not there is said")
    func missing() throws {
        for path in ["\(path)/nothing.jsonl", "\(path)/*.jsonl", "\(path)/none/*"] {
            let error = #expect(throws: DataError.self) { try LocalDataset(path: path) }
            #expect(error?.code == .unreadable && error?.file == path)
        }
        let error = #expect(throws: DataError.self) {
            try LocalDataset(path: path).rows(split: SplitExpression("train"))
        }
        #expect(error?.code == .empty)
    }
}

@Suite("Files of a data set by the rules of datasets")
struct DatasetLayoutTests {
    struct Golden: Decodable {
        struct Layout: Decodable {
            struct Configuration: Decodable {
                let name: String
                let splits: [String: [String]]
            }
            let card: String?
            let files: [String]
            let configurations: [Configuration]
            let `default`: String?
        }
        let layouts: [Layout]
    }

    @Test("Configurations, splits and their files are those that datasets finds")
    func golden() throws {
        for golden in try Fixture.json("data/layouts.json", as: Golden.self).layouts {
            let layout = try DatasetLayout(files: golden.files, readme: golden.card, name: "x")
            #expect(layout.configurations.map(\.name) == golden.configurations.map(\.name))
            for (found, wanted) in zip(layout.configurations, golden.configurations) {
                let splits = Dictionary(uniqueKeysWithValues: found.splits.map { ($0.name, $0.files) })
                #expect(splits == wanted.splits, "\(golden.files)")
            }
            #expect((try? layout.configuration(nil))?.name == golden.default)
        }
    }

    @Test("A description of files that is none is refused; a README that is no YAML describes none")
    func cards() throws {
        for files in ["[]", "[{split: train}]", "[a, {split: b, path: c}]", "{train: a}"] {
            let card = "---\nconfigs:\n- config_name: a\n  data_files: \(files)\n---\n"
            let error = #expect(throws: DataError.self) {
                try DatasetLayout(files: ["a.jsonl"], readme: card, name: "x")
            }
            #expect(error?.code == .damaged, "\(files)")
        }
        for card in ["---\n: [\n---\n", "---\nconfigs: 4\n---", "no header", "---\nnever closed"] {
            #expect(try DatasetLayout(files: ["a.jsonl"], readme: card, name: "x").configurations.count == 1)
        }
    }
}
