import ApusFormats
import Foundation

/// What of a repository is needed to load its model: configuration, tokenizer, and weights in one form of several.
struct ModelFiles {
    /// Files to fetch, without the shards that the index names.
    var files: [HubFile]
    /// The index of weights in several files.
    var index: HubFile?
    private let listing: HubListing

    /// Configuration and tokenizer, as they are named at the top of a repository.
    private static let companions: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "tekken.json",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja",
        "chat_template.json", "adapter_config.json",
    ]

    /// Chooses.
    ///
    /// - Throws: ``HubError`` with code `unsupported` or `missingFile` that says what there is instead.
    init(_ listing: HubListing) throws(HubError) {
        self.listing = listing
        let gguf = GGUFFiles(listing)
        let paths = Set(listing.files.map(\.path))
        let weights = ["model.safetensors", "adapter_model.safetensors"].filter(paths.contains)
        let hasIndex = paths.contains("model.safetensors.index.json")
        if listing.name.selector != nil || (weights.isEmpty && !hasIndex && !gguf.isEmpty) {
            files = try gguf.chosen()
            return
        }
        guard !weights.isEmpty || hasIndex else { throw Self.nothing(in: listing) }
        let companions = listing.files.filter { file in
            Self.companions.contains(file.path)
                || (file.path.hasPrefix("additional_chat_templates/") && file.path.hasSuffix(".jinja"))
        }
        let configuration =
            weights == ["adapter_model.safetensors"] && !hasIndex ? "adapter_config.json" : "config.json"
        guard companions.contains(where: { $0.path == configuration }) else {
            throw HubError(
                listing.isOfCache ? .offline : .unsupported,
                "\(listing.name.described) has weights but no \(configuration)\(listing.isOfCache ? " in the cache" : "")"
            )
        }
        files = companions + weights.compactMap(listing.file)
        if hasIndex, !weights.contains("model.safetensors"), let index = listing.file("model.safetensors.index.json") {
            self.index = index
            files.append(index)
        }
    }

    private static func nothing(in listing: HubListing) -> HubError {
        if listing.isOfCache {
            return HubError(
                .offline, "the cache has no weights of \(listing.name.described) at '\(listing.name.revision)'")
        }
        let pickled = listing.files.first { file in
            [".bin", ".pt", ".pth", ".ckpt"].contains { file.path.lowercased().hasSuffix($0) }
        }
        if let pickled {
            return HubError(
                .unsupported,
                "\(listing.name.described) has its weights only as '\(pickled.path)', a format that can run code; look for a copy in safetensors or GGUF"
            )
        }
        return HubError(
            .unsupported, "\(listing.name.described) has no model.safetensors, no shards of it and no GGUF file")
    }

    /// The files that an index names.
    ///
    /// - Throws: ``HubError`` with code `badAnswer` for what is no index, `missingFile` for a shard that is not listed.
    func shards(namedIn data: Data) throws(HubError) -> [HubFile] {
        guard let map = (try? JSONValue(json: data, isLenient: true))?["weight_map"]?.members else {
            throw HubError(.badAnswer, "model.safetensors.index.json of \(listing.name.described) names no files")
        }
        var shards: [HubFile] = []
        for name in Set(map.map { $0.value.string ?? "" }).sorted(by: JSONWriter.precedes) {
            guard let file = listing.file(name), name.hasSuffix(".safetensors") else {
                let place = listing.isOfCache ? "the cache does not have" : "the repository does not have"
                throw HubError(
                    listing.isOfCache ? .offline : .missingFile,
                    "model.safetensors.index.json of \(listing.name.described) names '\(name.prefix(200))', which \(place)"
                )
            }
            shards.append(file)
        }
        return shards
    }
}

/// The GGUF files of a repository, the parts of one in several together.
private struct GGUFFiles {
    private struct Model {
        /// The path without the number of the part.
        var name: String
        var parts: [HubFile]
        /// How many parts there should be.
        var count: Int
    }

    private let models: [Model]
    private let listing: HubListing

    var isEmpty: Bool { models.isEmpty }

    init(_ listing: HubListing) {
        self.listing = listing
        var models: [Model] = []
        // Projectors for images and matrices for quantization are no models.
        let files = listing.files.filter { file in
            let name = file.name.lowercased()
            return name.hasSuffix(".gguf") && !name.hasPrefix("mmproj") && !name.contains("imatrix")
        }
        for file in files {
            let (name, count) = Self.stem(file.path)
            if let index = models.firstIndex(where: { $0.name == name && $0.count == count }) {
                models[index].parts.append(file)
            } else {
                models.append(Model(name: name, parts: [file], count: count))
            }
        }
        self.models = models
    }

    /// A path without `.gguf` and without `-00001-of-00003`, and how many parts that says.
    private static func stem(_ path: String) -> (name: String, parts: Int) {
        let name = String(path.dropLast(5))
        let pieces = name.split(separator: "-", omittingEmptySubsequences: false)
        guard pieces.count > 3, pieces[pieces.count - 2] == "of", let last = pieces.last, let count = Int(last),
            count > 0,
            last.utf8.count == 5, pieces[pieces.count - 3].utf8.count == 5, Int(pieces[pieces.count - 3]) != nil
        else { return (name, 1) }
        return (pieces.dropLast(3).joined(separator: "-"), count)
    }

    /// The parts of the one that is meant.
    func chosen() throws(HubError) -> [HubFile] {
        let name = listing.name
        let fitting = name.selector.map { selector in models.filter { Self.fits($0.name, selector) } } ?? models
        guard let only = fitting.first, fitting.count == 1 else { throw ambiguity(fitting.isEmpty) }
        guard only.parts.count == only.count else {
            throw HubError(
                listing.isOfCache ? .offline : .missingFile,
                "\(name.described) has \(only.parts.count) of the \(only.count) parts of '\(only.name)'")
        }
        return only.parts
    }

    /// Whether a selector is a whole word of a file's name, the name itself, or its path.
    private static func fits(_ path: String, _ selector: String) -> Bool {
        var wanted = selector.lowercased()
        if wanted.hasSuffix(".gguf") { wanted = String(wanted.dropLast(5)) }
        let name = path.lowercased()
        if name == wanted || name.hasSuffix("/" + wanted) { return true }
        // The folder counts too: large ones are kept as `Q4_K_M/name-00001-of-00002.gguf`.
        return name.split(whereSeparator: { "-./".contains($0) }).joined(separator: "-").isWhole(
            wanted.split(whereSeparator: { "-./".contains($0) }).joined(separator: "-"))
    }

    private func ambiguity(_ isNone: Bool) -> HubError {
        let listed = models.map(\.name).sorted().prefix(40).joined(separator: ", ")
        let name = listing.name
        let asked = name.selector.map { isNone ? "has no GGUF file '\($0)'" : "has several GGUF files '\($0)'" }
        return HubError(
            .unsupported,
            "\(name.described) \(asked ?? "has several GGUF files"); write one after a colon, such as \(name.id):Q4_K_M; there are \(listed.isEmpty ? "none" : listed)"
        )
    }
}

extension String {
    /// Whether the other text stands in this one between dashes or its ends.
    fileprivate func isWhole(_ word: String) -> Bool { "-\(self)-".contains("-\(word)-") }
}
