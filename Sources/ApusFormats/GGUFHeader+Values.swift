extension ByteReader {
    /// A metadata value: `u32 type | value`.
    mutating func ggufValue(_ key: String) throws(FormatError) -> GGUFValue {
        let type = try integer(UInt32.self, "the type of '\(key)'")
        switch type {
        case 0: return .integer(Int(try integer(UInt8.self, key)))
        case 1: return .integer(Int(try integer(Int8.self, key)))
        case 2: return .integer(Int(try integer(UInt16.self, key)))
        case 3: return .integer(Int(try integer(Int16.self, key)))
        case 4: return .integer(Int(try integer(UInt32.self, key)))
        case 5: return .integer(Int(try integer(Int32.self, key)))
        case 6: return .floating(Double(Float(bitPattern: try integer(UInt32.self, key))))
        case 7: return .boolean(try ggufBool(key))
        case 8: return .text(try string("'\(key)'"))
        case 9: return try ggufArray(key)
        case 10: return .integer(try exact(integer(UInt64.self, key), key))
        case 11: return .integer(try exact(integer(Int64.self, key), key))
        case 12: return .floating(Double(bitPattern: try integer(UInt64.self, key)))
        default: throw unknownType(type, key)
        }
    }

    /// `u32 element type | u64 count | elements`. An array of arrays is allowed by the format but used by no model.
    private mutating func ggufArray(_ key: String) throws(FormatError) -> GGUFValue {
        let type = try integer(UInt32.self, "the element type of '\(key)'")
        switch type {
        case 0, 1:
            let count = try count(minimumSize: 1, "'\(key)'")
            return .byteArray([UInt8](try slice(count, key)))
        case 2: return try shorts(UInt16.self, key)
        case 3: return try shorts(Int16.self, key)
        case 4: return try integers(UInt32.self, key)
        case 5: return try integers(Int32.self, key)
        case 6:
            return .floatArray(
                try elements(4, key) { (reader) throws(FormatError) in
                    Double(Float(bitPattern: try reader.integer(UInt32.self, key)))
                })
        case 7: return .booleanArray(try elements(1, key) { (reader) throws(FormatError) in try reader.ggufBool(key) })
        case 8:
            return .textArray(try textArray("'\(key)'"))
        case 9:
            throw FormatError(
                .unsupported, file: path, "metadata '\(key)' is an array of arrays, which is not supported")
        case 10: return try integers(UInt64.self, key)
        case 11: return try integers(Int64.self, key)
        case 12:
            return .floatArray(
                try elements(8, key) { (reader) throws(FormatError) in
                    Double(bitPattern: try reader.integer(UInt64.self, key))
                })
        default: throw unknownType(type, key)
        }
    }

    private mutating func shorts<T: FixedWidthInteger & BitwiseCopyable>(
        _: T.Type, _ key: String
    ) throws(FormatError) -> GGUFValue {
        .shortArray(
            try elements(MemoryLayout<T>.size, key) { (reader) throws(FormatError) in
                Int32(clamping: try reader.integer(T.self, key))
            })
    }

    private mutating func integers<T: FixedWidthInteger & BitwiseCopyable>(
        _: T.Type, _ key: String
    ) throws(FormatError) -> GGUFValue {
        .integerArray(
            try elements(MemoryLayout<T>.size, key) { (reader) throws(FormatError) in
                try reader.exact(reader.integer(T.self, key), key)
            })
    }

    private mutating func elements<Element>(
        _ minimumSize: Int, _ key: String, _ next: (inout ByteReader) throws(FormatError) -> Element
    ) throws(FormatError) -> [Element] {
        let count = try count(minimumSize: minimumSize, "'\(key)'")
        var result: [Element] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(try next(&self)) }
        return result
    }

    private func exact(_ value: some FixedWidthInteger, _ key: String) throws(FormatError) -> Int {
        guard let value = Int(exactly: value) else {
            throw FormatError(.malformed, file: path, "metadata '\(key)' is \(value), wanted less than 2^63")
        }
        return value
    }

    private mutating func ggufBool(_ key: String) throws(FormatError) -> Bool {
        let byte = try integer(UInt8.self, key)
        guard byte <= 1 else {
            throw FormatError(.malformed, file: path, "metadata '\(key)' is a truth value of \(byte), wanted 0 or 1")
        }
        return byte == 1
    }

    private func unknownType(_ type: UInt32, _ key: String) -> FormatError {
        FormatError(
            .unsupported, file: path,
            "metadata '\(key)' has value type \(type), wanted 0 to 12; the file is damaged or newer")
    }
}
