import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct ShardedSafetensorsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open() throws -> ShardedSafetensors { try ShardedSafetensors(directory: folder.url.path()) }

    private func writeShards(index: String) throws {
        for (i, name) in ["a", "b"].enumerated() {
            var writer = SafetensorsWriter()
            writer.append(name, shape: [2], .f32([Float(i), 5]))
            try writer.write(to: folder.url.appending(path: "model-\(i + 1).safetensors"))
        }
        _ = try folder.write(Data(index.utf8), as: "model.safetensors.index.json")
    }

    @Test func readsShards() throws {
        try writeShards(
            index: #"{"metadata":{"total_size":16},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"#
        )
        let source = try open()
        #expect(source.entries.count == 2)
        #expect(try source.readFloats("a") == [0, 5])
        #expect(try source.readFloats("b") == [1, 5])
        source.discardPages(of: "b")
        #expect(try source.readBytes("b").count == 8)
        expectFormatError(.missing) { try source.readFloats("c") }
    }

    @Test(
        "Bad inputs 12 and 46: an index that points out of its folder",
        arguments: ["../model-1.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "", ".hidden"])
    func pathsOutsideTheFolderAreRefused(shard: String) throws {
        try writeShards(index: #"{"weight_map":{"a":"\#(shard)"}}"#)
        expectFormatError(.unsafePath) { try open() }
    }

    @Test(
        "Bad input 12: an index without the shards or tensors that it names",
        arguments: [
            (#"{"weight_map":{"a":"model-9.safetensors"}}"#, FormatError.Code.unreadable, "model-9"),
            (#"{"weight_map":{"c":"model-1.safetensors"}}"#, .missing, "'c'"),
            (#"{"weight_map":{"a":"model-1.safetensors","a":"model-2.safetensors"}}"#, .malformed, "twice"),
            (#"{"weight_map":{},"weight_map":{}}"#, .malformed, "twice"),
            (#"{"weight_map":[]}"#, .malformed, "byte"),
            (#"{}"#, .malformed, "'weight_map' is missing"),
            ("", .malformed, "wanted '{'"),
        ])
    func brokenIndexesAreRefused(index: String, code: FormatError.Code, complaint: String) throws {
        try writeShards(index: index)
        expectFormatError(code, containing: complaint) { try open() }
    }

    @Test func emptyFolderIsRefused() {
        expectFormatError(.missing, containing: "model.safetensors") { try open() }
    }
}
