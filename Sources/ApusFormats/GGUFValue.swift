/// One metadata value of a GGUF file.
public enum GGUFValue: Sendable, Equatable {
    /// A whole number of any width.
    case integer(Int)
    /// A float32 or float64.
    case floating(Double)
    /// A truth value.
    case boolean(Bool)
    /// UTF-8 text.
    case text(String)
    /// An array of whole numbers of 32 bits and more.
    case integerArray([Int])
    /// An array of whole numbers of 16 bits: in twice their room and not four times, for a file may be full of them.
    case shortArray([Int32])
    /// An array of bytes, kept as they are (signed ones as their bit pattern).
    case byteArray([UInt8])
    /// An array of floats.
    case floatArray([Double])
    /// An array of truth values.
    case booleanArray([Bool])
    /// An array of texts.
    case textArray(TextArray)

    /// The value as a whole number, if it is one.
    public var int: Int? { if case .integer(let value) = self { value } else { nil } }

    /// The value as a number, if it is one.
    public var float: Double? {
        switch self {
        case .floating(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    /// The value as a truth value, if it is one.
    public var bool: Bool? { if case .boolean(let value) = self { value } else { nil } }

    /// The value as text, if it is one.
    public var string: String? { if case .text(let value) = self { value } else { nil } }

    /// The elements, if it is an array of whole numbers.
    public var ints: [Int]? {
        switch self {
        case .integerArray(let values): values
        case .shortArray(let values): values.map(Int.init)
        case .byteArray(let values): values.map(Int.init)
        default: nil
        }
    }

    /// The elements, if it is an array of numbers.
    public var floats: [Double]? {
        if case .floatArray(let values) = self { values } else { ints?.map(Double.init) }
    }

    /// The elements, if it is an array of texts.
    public var strings: [String]? { texts.map { Array($0) } }

    /// The elements, if it is an array of texts, as they are kept.
    public var texts: TextArray? { if case .textArray(let values) = self { values } else { nil } }

    /// The elements, if it is an array of truth values.
    public var bools: [Bool]? { if case .booleanArray(let values) = self { values } else { nil } }
}
