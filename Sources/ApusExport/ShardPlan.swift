import ApusFormats
import ApusText
import Foundation

/// Which tensors go into which safetensors file: model.safetensors, or numbered shards with an index.
struct ShardPlan {
    private let shards: [(name: String, stream: SafetensorsStream)]
    /// Bytes of all tensors.
    let totalSize: Int

    /// Fills shards in the order of the tensors, none larger than `limit` unless one unit is.
    ///
    /// - Parameters:
    ///   - units: tensors that must share a file.
    ///   - sorts: whether tensors are put in the order of their names within a shard, as the reference implementation has it.
    init(_ units: [[TensorLayout]], limit: Int, sorts: Bool = true) {
        var groups: [[TensorLayout]] = [[]]
        var size = 0
        for unit in units {
            let unitSize = unit.reduce(0) { $0 + $1.byteCount }
            if size + unitSize > limit, !groups[groups.count - 1].isEmpty {
                groups.append([])
                size = 0
            }
            groups[groups.count - 1] += unit
            size += unitSize
        }
        let count = groups.count
        shards = groups.enumerated().map { index, group in
            let name =
                count == 1
                ? "model.safetensors" : "model-\(Self.fiveDigits(index + 1))-of-\(Self.fiveDigits(count)).safetensors"
            let ordered = sorts ? group.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } : group
            return (name, SafetensorsStream(tensors: ordered))
        }
        totalSize = units.joined().reduce(0) { $0 + $1.byteCount }
    }

    /// Writes every shard, and the index where there are several.
    func write(
        to folder: URL, _ fill: (_ tensor: TensorLayout, _ append: ([UInt8]) throws -> Void) throws -> Void
    ) throws {
        for shard in shards {
            try shard.stream.write(to: folder.appending(path: shard.name).path(percentEncoded: false), fill)
        }
        guard shards.count > 1 else { return }
        let map = shards.flatMap { shard in
            shard.stream.tensors.map { JSONValue.Member(key: $0.name, value: .string(shard.name)) }
        }.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let index: JSONValue = ["metadata": ["total_size": .integer(totalSize)], "weight_map": .object(map)]
        let text = JSONWriter(indent: 2).write(index) + "\n"
        try Data(text.utf8).write(to: folder.appending(path: "model.safetensors.index.json"))
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
