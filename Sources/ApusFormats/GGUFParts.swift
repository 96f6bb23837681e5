import Foundation

/// The files of one GGUF model: one, or several as converters and `llama-gguf-split` write them.
///
/// They lie in one folder as `NAME-00001-of-00003.gguf` and so on. Each has a header and data of its own; the first carries
/// the model's metadata. `split.no` counts from 0, `split.count` and `split.tensors.count` are those of the whole model.
struct GGUFParts {
    /// The first file's.
    let metadata: [String: GGUFValue]
    private(set) var entries: [String: TensorEntry] = [:]
    private(set) var files: [MappedFile] = []
    /// Which file holds a tensor, for those that are not in the first.
    private(set) var laterParts: [String: Int] = [:]

    /// Opens a model by its first file, and every other part of it.
    init(path: String) throws(FormatError) {
        let first = try Part(path: path)
        metadata = first.header.metadata
        try add(first)
        guard let split = try Split(of: first) else { return }
        for number in 1..<split.count {
            let part = try Part(path: split.path(ofPart: number))
            try split.check(part, number: number)
            try add(part)
        }
        guard split.tensorCount == entries.count else {
            throw FormatError(
                .mismatch, file: path,
                "split.tensors.count is \(split.tensorCount), the \(split.count) parts hold \(entries.count) tensors; "
                    + "take all parts from one place")
        }
    }

    private mutating func add(_ part: Part) throws(FormatError) {
        for (name, entry) in part.header.entries {
            guard entries.updateValue(entry, forKey: name) == nil else {
                throw FormatError(
                    .malformed, file: part.file.path,
                    "tensor '\(name)' is in an earlier part too, wanted each once; take all parts from one place")
            }
            if !files.isEmpty { laterParts[name] = files.count }
        }
        files.append(part.file)
    }
}

/// One file of a model with its header.
private struct Part {
    let file: MappedFile
    let header: GGUFHeader

    init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        header = try file.withBytes { (bytes) throws(FormatError) in try GGUFHeader(bytes, path: path) }
        self.file = file
    }
}

/// What the first part says about all of them.
private struct Split {
    let count: Int
    let tensorCount: Int
    private let first: String
    private let stem: String

    /// As many as the five digits of a name and the format's 16 bits can tell.
    private static let countLimit = 65_535

    /// nil for a model in one file: joined files say that they have no parts, others that they have one, or nothing.
    init?(of part: Part) throws(FormatError) {
        let (path, metadata) = (part.file.path, part.header.metadata)
        guard let stated = metadata["split.count"] else { return nil }
        guard let count = stated.int, 0...Self.countLimit ~= count else {
            throw FormatError(
                .malformed, file: path, "split.count is \(stated), wanted 0 to \(Self.countLimit); the file is damaged")
        }
        guard count > 1 else { return nil }
        let (number, tensorCount) = (metadata["split.no"]?.int, metadata["split.tensors.count"]?.int)
        guard let number, let tensorCount, 0..<count ~= number else {
            let found = "\(number.map(String.init) ?? "none") and \(tensorCount.map(String.init) ?? "none")"
            throw FormatError(
                .malformed, file: path,
                "is one of \(count) parts, wanted split.no and split.tensors.count, found \(found); split the model again"
            )
        }
        let stem = Self.stem(of: path, number: number, count: count)
        let firstEnding = Self.ending(0, of: count)
        guard number == 0 else {
            throw FormatError(
                .unsupported, file: path,
                "is part \(number + 1) of \(count) of a model; give the first, '\((stem ?? "") + firstEnding)'")
        }
        guard let stem else {
            throw FormatError(
                .unsupported, file: path,
                "is part 1 of \(count), wanted a name that ends in '\(firstEnding)', by which the others are found; "
                    + "give all parts the names that they were made with")
        }
        (self.count, self.tensorCount, self.stem, first) = (count, tensorCount, stem, path)
    }

    /// The path of a part beside the first, which must be there.
    func path(ofPart number: Int) throws(FormatError) -> String {
        let path = stem + Self.ending(number, of: count)
        guard FileManager.default.fileExists(atPath: path) else {
            throw FormatError(
                .missing, file: first,
                "part \(number + 1) of \(count), '\(path)', is not there; put all parts into one folder")
        }
        return path
    }

    /// Whether a part says of itself what its name says.
    func check(_ part: Part, number: Int) throws(FormatError) {
        for (key, wanted) in [("split.no", number), ("split.count", count)] {
            let found = part.header.metadata[key]?.int
            guard found != wanted else { continue }
            throw FormatError(
                .mismatch, file: part.file.path,
                "wanted \(key) of \(wanted), found \(found.map(String.init) ?? "none"); take all parts from one place")
        }
    }

    /// What precedes the ending of the name that a part must have.
    private static func stem(of path: String, number: Int, count: Int) -> String? {
        let ending = ending(number, of: count)
        return path.hasSuffix(ending) ? String(path.dropLast(ending.count)) : nil
    }

    private static func ending(_ number: Int, of count: Int) -> String {
        func digits(_ value: Int) -> String { String(String(100_000 + value).dropFirst()) }
        return "-\(digits(number + 1))-of-\(digits(count)).gguf"
    }
}
