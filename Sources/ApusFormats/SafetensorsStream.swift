/// A safetensors file that is written tensor by tensor, in the order given.
public struct SafetensorsStream: TensorStream {
    /// The tensors in the order of their data.
    public let tensors: [TensorLayout]
    /// Free text under `__metadata__`; transformers insists on `format`.
    public let metadata: [String: String]
    /// Data follow each other without gaps: the format allows none.
    public let alignment = 1

    /// Plans a file.
    public init(tensors: [TensorLayout], metadata: [String: String] = ["format": "pt"]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    /// The length of the header and the header, padded with spaces to a multiple of 8 bytes.
    public func header() -> [UInt8] {
        var parts: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map {
                "\(JSONWriter.quoted($0.key)):\(JSONWriter.quoted($0.value))"
            }
            parts.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let fields = "\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)]"
            parts.append("\(JSONWriter.quoted(tensor.name)):{\(fields),\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var text = Array("{\(parts.joined(separator: ","))}".utf8)
        text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
    }
}
