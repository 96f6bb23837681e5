/// One event of a TensorBoard file: `tensorflow.Event` of event.proto, with a `Summary` of scalars.
struct TensorBoardEvent {
    enum Content {
        /// The first event of every file.
        case fileVersion
        /// A writer begins at the event's step: what earlier files hold from that step on is not shown.
        case sessionStart
        /// Scalars of one step.
        case scalars([(tag: String, value: Double)])
    }

    /// Seconds since 1970.
    var wallTime: Double
    var step: Int
    var content: Content

    /// The event as TFRecord frames it: the length, its checksum, the message, its checksum.
    var record: [UInt8] {
        let message = message.bytes
        let length = littleEndianBytes(UInt64(message.count))
        return length + littleEndianBytes(CRC32C.masked(length)) + message + littleEndianBytes(CRC32C.masked(message))
    }

    private var message: ProtobufMessage {
        var event = ProtobufMessage()
        event.append(1, wallTime)
        if step != 0 { event.append(2, step) }
        switch content {
        case .fileVersion: event.append(3, "brain.Event:2")
        case .sessionStart:
            var log = ProtobufMessage()
            log.append(1, 1)
            event.append(7, log)
        case .scalars(let values):
            var summary = ProtobufMessage()
            for (tag, value) in values {
                var entry = ProtobufMessage()
                entry.append(1, tag)
                entry.append(2, Float(value))
                summary.append(1, entry)
            }
            event.append(5, summary)
        }
        return event
    }
}

extension MetricsRecord {
    /// The line's finite values under the tags that Transformers gives them: `train/reward`, `eval/reward`.
    var tensorBoardScalars: [(tag: String, value: Double)] {
        entries.compactMap { entry in entry.value.map { (Self.tag(entry.name), $0) } }
    }

    private static func tag(_ name: String) -> String {
        for prefix in ["eval", "test"] where name.hasPrefix(prefix + "_") {
            return "\(prefix)/\(name.dropFirst(prefix.count + 1))"
        }
        return "train/\(name)"
    }
}
