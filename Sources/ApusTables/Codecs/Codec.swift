internal import CCodecs

/// How bytes of a table are compressed.
enum Codec: String {
    case uncompressed
    case snappy
    case gzip
    case zstd
    case lz4Block = "LZ4"
    case lz4Hadoop = "LZ4 in Hadoop's frames"
    case lz4Frame = "LZ4 frames"

    /// Fills `target`, whose size the file declares.
    ///
    /// - Throws: ``TableFailure``: `damaged` where the source does not give exactly that many bytes, `unsupportedFormat`
    ///   naming the package to install where the system lacks the library.
    func decompress(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(TableFailure) {
        let outcome = run(source, target)
        // Parquet's old "LZ4" is framed as Hadoop does it, but some writers left the frames out.
        if outcome == CODECS_DAMAGED && self == .lz4Hadoop && Codec.lz4Block.run(source, target) == CODECS_OK { return }
        switch outcome {
        case CODECS_OK: return
        case CODECS_UNAVAILABLE: throw missingLibrary
        case CODECS_OUT_OF_MEMORY:
            throw TableFailure(.unreadable, "wanted memory to decompress \(rawValue), found none; close other programs")
        default:
            throw .damaged(
                wanted: "\(target.count) bytes from \(source.count) compressed by \(rawValue)",
                found: "others or none")
        }
    }

    /// Refuses a size that no stream of this many bytes can give, before memory is taken for it.
    func check(_ count: Int, from size: Int, _ limits: TableLimits) throws(TableFailure) {
        guard count <= limits.pageSize else {
            throw .unsupported(
                "found a page or buffer of \(count) bytes, over the limit of \(limits.pageSize)",
                "write the file again with smaller pages")
        }
        guard self == .uncompressed ? count == size : count <= 64 + size * greatestRatio else {
            throw .damaged(
                wanted: "at most \(greatestRatio) times the \(size) bytes of a page (\(rawValue))",
                found: "a page that claims \(count)")
        }
    }

    /// What a byte gives at most: a copy of 64 bytes takes 3 in snappy, LZ4 counts up to 255 with a byte, deflate
    /// codes 258 bytes with 2 bits, and a block of zstd, which repeats one byte, takes 4 for 128 KiB.
    private var greatestRatio: Int {
        switch self {
        case .uncompressed: 1
        case .snappy: 32
        case .lz4Block, .lz4Hadoop, .lz4Frame: 256
        case .gzip: 1040
        case .zstd: 1 << 15
        }
    }

    private var missingLibrary: TableFailure {
        let (library, package) =
            self == .zstd ? ("libzstd.so.1", "libzstd1 (zstd with brew)") : ("libz.so.1", "zlib1g")
        return TableFailure(
            .unsupportedFormat,
            "wanted the library \(library), which decompresses \(rawValue), found none; install the package \(package)")
    }

    private func run(_ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer) -> codecs_outcome {
        // Both are lent by the caller for this call; C gets them with their sizes and keeps neither.
        let from = source.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let to = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        switch self {
        case .uncompressed:
            guard source.count == target.count else { return CODECS_DAMAGED }
            target.copyMemory(from: source)
            return CODECS_OK
        case .snappy: return codecs_snappy(from, source.count, to, target.count)
        case .gzip: return codecs_gzip(from, source.count, to, target.count)
        case .zstd: return codecs_zstd(from, source.count, to, target.count)
        case .lz4Block: return codecs_lz4_block(from, source.count, to, target.count)
        case .lz4Hadoop: return codecs_lz4_hadoop(from, source.count, to, target.count)
        case .lz4Frame: return codecs_lz4_frame(from, source.count, to, target.count)
        }
    }
}
