import ApusCPU
import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// Packed weights that are kept between runs: the same bits as without, and nothing that is wrong with them matters.
///
/// One at a time, since `finishWriting` waits for all that is being written.
@Suite(.serialized) struct WeightCacheTests {
    /// A model's folder, and a cache that keeps it however small it is.
    struct Place {
        let model: String
        let cache: WeightCache

        func load(precision: WeightPrecision = .nf4, set: InstructionSet? = nil) throws -> LanguageModel {
            let backend = try CPUBackend(instructionSet: set, threads: 2)
            let model = try LanguageModel(path: model, precision: precision, backend: backend, cache: cache)
            WeightCache.finishWriting()
            return model
        }

        /// The files of the cache, without its lock.
        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: cache.directory).filter { $0 != ".lock" }.sorted()
        }

        /// The one file that there is.
        func file() throws -> String {
            let files = try files()
            #expect(files.count == 1)
            return cache.directory + "/" + (try #require(files.first))
        }

        func key() throws -> PackedModelKey {
            try #require(PackedModelKey(Checkpoint(path: model), precision: .nf4, backend: CPUBackend(threads: 2)))
        }
    }

    private func withPlace(_ name: String = "tiny_llama", _ body: (Place) throws -> Void) throws {
        let folder = try TemporaryFolder()
        try withModelFolder(copying: name) { path in
            let cache = WeightCache(directory: folder.url.path + "/deep/cache", smallestModel: 0)
            try withExtendedLifetime(folder) { try body(Place(model: path, cache: cache)) }
        }
    }

    private func bytes(_ model: LanguageModel) throws -> [[UInt8]] {
        let weights =
            [model.head.weight]
            + model.layers.flatMap { layer in layer.plan.modules.map { layer[$0.module] } }
            .compactMap(\.self)
        let vectors = model.layers.flatMap { layer in
            layer.plan.normPositions.map { layer[$0] } + layer.plan.modules.map { layer.bias(of: $0.module) }
        }.compactMap(\.self)
        return try weights.flatMap { model.backend.packedParts(of: $0) }.map { $0.withBytes { Array($0) } }
            + (vectors + [model.finalNorm]).map { try model.backend.download($0).withUnsafeBytes { Array($0) } }
    }

    private func logProbs(_ model: LanguageModel) throws -> [Float] {
        try TrainingPass(model: model, adapter: nil).score(TokenSequences.groups).flatMap { $0.flatMap(\.logProbs) }
    }

    // MARK: The same weights

    @Test(arguments: TinyModel.names, InstructionSet.available)
    func aHitGivesTheSameBits(name: String, set: InstructionSet) throws {
        try withPlace(name) { place in
            let first = try place.load(set: set)
            let second = try place.load(set: set)
            #expect(!first.hasCachedWeights && second.hasCachedWeights)
            #expect(try bytes(first) == bytes(second))
            #expect(try logProbs(first) == logProbs(second))
            #expect(first.weightBytes == second.weightBytes)
        }
    }

    @Test func aGGUFFileIsKeptToo() throws {
        try withPlace { place in
            let file = place.model + "/model.gguf"
            try TinyGGUF(converting: "tiny_llama").builder.data().write(to: URL(filePath: file))
            let checkpoint = try Checkpoint(path: file)
            let backend = try CPUBackend(threads: 1)
            let first = WeightLoader(checkpoint: checkpoint, backend: backend, precision: .nf4, cache: place.cache)
            _ = try first.load(progress: nil)
            first.keepPacked()
            WeightCache.finishWriting()
            let second = WeightLoader(checkpoint: checkpoint, backend: backend, precision: .nf4, cache: place.cache)
            _ = try second.load(progress: nil)
            #expect(!first.foundAll && second.foundAll)
        }
    }

    /// Weights are copied out of the file: whoever empties it while they are used changes nothing.
    @Test func aFileThatIsEmptiedWhileItIsUsedDoesNotMatter() throws {
        try withPlace { place in
            let expected = try bytes(place.load())
            let model = try place.load()
            #expect(model.hasCachedWeights)
            let file = try place.file()
            #expect(truncate(file, 0) == 0)
            #expect(try bytes(model) == expected)
        }
    }

    @Test func kernelsAndPrecisionsDoNotShareAFile() throws {
        try withPlace { place in
            for set in InstructionSet.available {
                let model = try place.load(set: set)
                #expect(!model.hasCachedWeights)
            }
            let whole = try place.load(precision: .bf16)
            #expect(!whole.hasCachedWeights)
            #expect(try place.files().count == InstructionSet.available.count)
        }
    }

    @Test func aSmallModelIsNotKept() throws {
        try withPlace { place in
            let usual = WeightCache(directory: place.cache.directory)
            _ = try Place(model: place.model, cache: usual).load()
            #expect(!FileManager.default.fileExists(atPath: usual.directory))
        }
    }

    // MARK: Another model

    /// A model that is overwritten in place, with the same size and the same time of its last change.
    @Test func aReplacedModelIsPackedAnew() throws {
        try withPlace { place in
            let first = try place.load()
            let file = place.model + "/model.safetensors"
            let times = try FileManager.default.attributesOfItem(atPath: file)
            var data = try Data(contentsOf: URL(filePath: file))
            data[data.count - 100] ^= 1
            try data.write(to: URL(filePath: file))
            let date = try #require(times[.modificationDate])
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: file)
            let second = try place.load()
            #expect(!second.hasCachedWeights)
            #expect(try bytes(first) != bytes(second))
            #expect(try place.load().hasCachedWeights)
        }
    }

    @Test func aFileOfAnotherKeyIsNotTaken() throws {
        try withPlace { place in
            _ = try place.load()
            let key = try place.key()
            let file = try place.file()
            #expect(file == place.cache.path(of: key))
            #expect(PackedModel(path: file, key: key) != nil)
            let lines = key.text.split(separator: "\n", omittingEmptySubsequences: false)
            for line in lines.indices {
                var changed = lines.map(String.init)
                changed[line] += "1"
                #expect(PackedModel(path: file, key: PackedModelKey(text: changed.joined(separator: "\n"))) == nil)
            }
        }
    }

    // MARK: Damaged files

    @Test func noByteBeforeTheWeightsMayChange() throws {
        try withPlace { place in
            _ = try place.load()
            let (file, key) = (try place.file(), try place.key())
            let whole = try Data(contentsOf: URL(filePath: file))
            let entries = try GGUFFile(path: file).entries
            let begin = try #require(entries.values.map(\.byteRange.lowerBound).min())
            let end = try #require(entries["end"]?.byteRange)
            let text = whole[..<begin].lastIndex { $0 != 0 } ?? 0
            for place in Array(0...text + 2) + [begin - 1] + Array(end) {
                var damaged = whole
                damaged[place] ^= 1 << (place % 8)
                try damaged.write(to: URL(filePath: file))
                #expect(PackedModel(path: file, key: key) == nil, "byte \(place)")
            }
        }
    }

    @Test func aTruncatedFileIsWrittenAgain() throws {
        try withPlace { place in
            let expected = try bytes(place.load())
            let file = try place.file()
            let whole = try Data(contentsOf: URL(filePath: file))
            let end = try #require(GGUFFile(path: file).entries["end"]?.byteRange)
            for count in [0, 1, 4, 100, 16383, 16384, 16385, whole.count / 2, end.lowerBound, end.upperBound - 1] {
                try whole.prefix(count).write(to: URL(filePath: file))
                let model = try place.load()
                #expect(!model.hasCachedWeights, "\(count) bytes")
                #expect((try bytes(model)) == expected)
                #expect(try Data(contentsOf: URL(filePath: file)) == whole)
            }
        }
    }

    @Test func foreignFilesAreReplaced() throws {
        try withPlace { place in
            _ = try place.load()
            let file = try place.file()
            let url = URL(filePath: file)
            let remove = { try FileManager.default.removeItem(atPath: file) }
            let foreign: [(String, () throws -> Void)] = [
                ("a text", { try Data("hello".utf8).write(to: URL(filePath: file)) }),
                ("zeros", { try Data(count: 1 << 20).write(to: URL(filePath: file)) }),
                ("a GGUF model", { try TinyGGUF(converting: "tiny_llama").builder.data().write(to: url) }),
                (
                    "a pipe",
                    {
                        try remove()
                        #expect(mkfifo(file, 0o600) == 0)
                    }
                ),
                (
                    "a dangling link",
                    {
                        try remove()
                        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "/nowhere")
                    }
                ),
            ]
            for (name, put) in foreign {
                try put()
                #expect(try place.load().hasCachedWeights == false, "\(name)")
                #expect(try place.load().hasCachedWeights, "\(name)")
            }
            // A folder cannot be replaced by a file: the model loads without.
            try remove()
            try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
            for _ in 0..<2 { #expect(try place.load().hasCachedWeights == false) }
        }
    }

    /// The key is right, and the parts are not what the weights take.
    @Test func partsOfOtherSizesArePackedAnew() throws {
        try withPlace { place in
            let expected = try bytes(place.load())
            let small = try CPUStorage(count: 16)
            let names = ["model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"]
            for storages in [[small], [small, small], [small, small, small], []] {
                try FileManager.default.removeItem(atPath: place.file())
                let weights = names.map { (name: $0, parts: storages) }
                #expect(try place.cache.write(weights, key: place.key()) == .written)
                let model = try place.load()
                let found = try bytes(model)
                #expect(!model.hasCachedWeights && found == expected)
                #expect(try place.load().hasCachedWeights)
            }
        }
    }

    @Test func whatAKilledWriterLeftIsRemoved() throws {
        try withPlace { place in
            try FileManager.default.createDirectory(atPath: place.cache.directory, withIntermediateDirectories: true)
            let draft = place.cache.directory + "/.0123456789abcdef.weights.4711.draft"
            try Data(count: 1000).write(to: URL(filePath: draft))
            _ = try place.load()
            #expect(try place.files() == [URL(filePath: place.file()).lastPathComponent])
        }
    }

    // MARK: Places and room

    @Test(arguments: ["/proc/nowhere", "/dev/null/cache"])
    func aPlaceThatCannotBeWrittenDoesNotMatter(directory: String) throws {
        try withPlace { place in
            let cache = WeightCache(directory: directory, smallestModel: 0)
            for _ in 0..<2 {
                let model = try Place(model: place.model, cache: cache).load()
                #expect(!model.hasCachedWeights)
            }
            guard case .failed = cache.write([], key: PackedModelKey(text: "x")) else {
                Issue.record("\(directory) could be written")
                return
            }
        }
    }

    @Test func theLongestUnusedGoFirst() throws {
        let folder = try TemporaryFolder()
        var cache = WeightCache(directory: folder.url.path + "/cache")
        let weight = try CPUStorage(count: 250_000)
        let keys = (0..<5).map { PackedModelKey(text: "model \($0)") }
        cache.sizeLimit = 3_300_000
        func write(_ key: PackedModelKey) -> WeightCache.WriteOutcome {
            cache.write([(name: "w", parts: [weight])], key: key)
        }
        for key in keys[..<3] {
            #expect(write(key) == .written)
            usleep(20_000)
        }
        #expect(cache.open(keys[0]) != nil)
        usleep(20_000)
        #expect(write(keys[3]) == .written)
        #expect(keys.map { PackedModel(path: cache.path(of: $0), key: $0) != nil } == [true, false, true, true, false])
        #expect(cache.usage.files == 3 && cache.usage.bytes <= cache.sizeLimit && cache.usage.limit == cache.sizeLimit)
        cache.sizeLimit = 900_000
        #expect(write(keys[4]) == .noRoom)
        #expect(cache.usage.files == 3, "what cannot be written drives nothing out")
        withExtendedLifetime(folder) {}
    }

    @Test func oneWritesAtATime() throws {
        let folder = try TemporaryFolder()
        let cache = WeightCache(directory: folder.url.path)
        let weight = try CPUStorage(count: 4_000_000)
        let key = PackedModelKey(text: "model")
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            let outcome = cache.write([(name: "w", parts: [weight])], key: key)
            #expect(outcome == .written || outcome == .busy)
        }
        let model = try #require(cache.open(key))
        #expect(model.parts(of: "w").map(\.range.count) == [16_000_000])
        let lock = open(cache.directory + "/.lock", O_RDWR)
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
        #expect(cache.write([(name: "w", parts: [weight])], key: PackedModelKey(text: "other")) == .busy)
        close(lock)
    }

    @Test func theEnvironmentSaysWhereItIs() {
        func directory(_ environment: [String: String]) -> String? { WeightCache.standard(environment)?.directory }
        let home = ["HOME": "/home/a"]
        #if os(macOS)
            #expect(directory(home) == "/home/a/Library/Caches/apus/weights")
        #else
            #expect(directory(home) == "/home/a/.cache/apus/weights")
        #endif
        #expect(directory(["HOME": "/home/a", "XDG_CACHE_HOME": "/c"]) == "/c/apus/weights")
        #expect(directory(["HOME": "/home/a", "XDG_CACHE_HOME": "c"]) == directory(home))
        #expect(directory(["HOME": "/home/a", "APUS_WEIGHT_CACHE": "w"]) == "w")
        #expect(directory(["HOME": "/home/a", "APUS_WEIGHT_CACHE": ""]) == directory(home))
        #expect(directory(["HOME": "/home/a", "APUS_WEIGHT_CACHE": "OFF"]) == nil)
        #expect(directory([:]) == nil && directory(["HOME": ""]) == nil)
    }
}
