// The names of GGUF's types are kept as the field spells them.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// How the elements of a stored tensor are encoded.
///
/// The `q…` and `iq…` types are GGUF's blocks: a run of elements along the last dimension shares its scales.
public enum ElementType: String, Sendable, Equatable, CaseIterable {
    /// IEEE binary32.
    case f32 = "F32"
    /// IEEE binary16.
    case f16 = "F16"
    /// The upper half of a binary32.
    case bf16 = "BF16"
    /// IEEE binary64.
    case f64 = "F64"
    /// A byte, 0 or 1.
    case bool = "BOOL"
    /// 8 bits, unsigned.
    case u8 = "U8"
    /// 8 bits, signed.
    case i8 = "I8"
    /// 16 bits, unsigned.
    case u16 = "U16"
    /// 16 bits, signed.
    case i16 = "I16"
    /// 32 bits, unsigned.
    case u32 = "U32"
    /// 32 bits, signed.
    case i32 = "I32"
    /// 64 bits, unsigned.
    case u64 = "U64"
    /// 64 bits, signed.
    case i64 = "I64"
    /// Blocks of 32: a scale and 4 bits each.
    case q4_0 = "Q4_0"
    /// Blocks of 32: a scale, a minimum and 4 bits each.
    case q4_1 = "Q4_1"
    /// Blocks of 32: a scale and 5 bits each.
    case q5_0 = "Q5_0"
    /// Blocks of 32: a scale, a minimum and 5 bits each.
    case q5_1 = "Q5_1"
    /// Blocks of 32: a scale and 8 bits each.
    case q8_0 = "Q8_0"
    /// Super-blocks of 256: 2 bits each, scales and minima of 16 in 4 bits.
    case q2_K = "Q2_K"
    /// Super-blocks of 256: 3 bits each, scales of 16 in 6 bits.
    case q3_K = "Q3_K"
    /// Super-blocks of 256: 4 bits each, scales and minima of 32 in 6 bits.
    case q4_K = "Q4_K"
    /// Super-blocks of 256: 5 bits each, scales and minima of 32 in 6 bits.
    case q5_K = "Q5_K"
    /// Super-blocks of 256: 6 bits each, scales of 16 in 8 bits.
    case q6_K = "Q6_K"
    /// Blocks of 32: a scale and 4 bits each, which name one of sixteen uneven steps.
    case iq4_NL = "IQ4_NL"
    /// Super-blocks of 256: the same steps, scales of 32 in 6 bits.
    case iq4_XS = "IQ4_XS"

    /// Elements in one block; 1 for plain numbers.
    public var blockElements: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_XS: 256
        default: 1
        }
    }

    /// Bytes of one block; the size of a number for plain types.
    public var blockBytes: Int {
        switch self {
        case .bool, .u8, .i8: 1
        case .f16, .bf16, .u16, .i16: 2
        case .f32, .u32, .i32: 4
        case .f64, .u64, .i64: 8
        case .q4_0, .iq4_NL: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .iq4_XS: 136
        }
    }

    /// Whether it holds whole numbers, which weigh nothing without a scale that stands elsewhere.
    public var isInteger: Bool {
        switch self {
        case .bool, .u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64: true
        default: false
        }
    }

    /// Bytes of `count` elements, or nil when they do not fill whole blocks or the product overflows.
    public func byteCount(of count: Int) -> Int? {
        guard count >= 0, count % blockElements == 0 else { return nil }
        let (bytes, overflow) = (count / blockElements).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }
}
