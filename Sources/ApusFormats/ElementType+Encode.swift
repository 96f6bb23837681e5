extension ElementType {
    /// The types that `encode` can write.
    public static let encodable: [ElementType] = [.f32, .f16, .bf16, .q4_0, .q5_0, .q8_0, .q4_K, .q6_K]

    /// Rounds or quantises fp32 values to this type, as llama.cpp does.
    ///
    /// The error of a value is at most half a step of its block: of the largest magnitude a share of 1/254 in `q8_0`, 1/16
    /// in `q5_0` and 1/8 in `q4_0`, whose codes do not reach the opposite sign of the largest value.
    ///
    /// - Parameter values: a whole number of blocks; all finite.
    /// - Returns: `byteCount(of: values.count)` bytes.
    public func encode(_ values: [Float]) -> [UInt8] {
        guard let size = byteCount(of: values.count) else {
            preconditionFailure("\(values.count) values do not fill blocks of \(rawValue)")
        }
        return [UInt8](unsafeUninitializedCapacity: size) { room, count in
            values.withUnsafeBufferPointer { source in
                guard let source = source.baseAddress, let target = room.baseAddress else { return }
                encode(source, count: values.count, into: UnsafeMutableRawPointer(target))
            }
            count = size
        }
    }

    /// Values as a file in this type gives them back.
    ///
    /// - Parameter values: a whole number of blocks; all finite.
    package func rounding(_ values: [Float]) -> [Float] {
        let bytes = encode(values)
        return [Float](unsafeUninitializedCapacity: values.count) { room, count in
            bytes.withUnsafeBytes { source in
                guard let source = source.baseAddress, let target = room.baseAddress else { return }
                decode(source, count: values.count, into: target)
                count = values.count
            }
        }
    }

    private func encode(_ source: UnsafePointer<Float>, count: Int, into target: UnsafeMutableRawPointer) {
        let blocks = count / blockElements
        switch self {
        case .f32:
            for i in 0..<count {
                target.storeBytes(of: source[i].bitPattern.littleEndian, toByteOffset: 4 &* i, as: UInt32.self)
            }
        case .f16:
            for i in 0..<count {
                target.storeBytes(of: Float16(source[i]).bitPattern.littleEndian, toByteOffset: 2 &* i, as: UInt16.self)
            }
        case .bf16:
            for i in 0..<count {
                target.storeBytes(of: source[i].bfloat16Bits.littleEndian, toByteOffset: 2 &* i, as: UInt16.self)
            }
        case .q4_0: BlockEncoder.q4_0(source, blocks, target)
        case .q5_0: BlockEncoder.q5_0(source, blocks, target)
        case .q8_0: BlockEncoder.q8_0(source, blocks, target)
        case .q4_K: SuperBlockEncoder.q4_K(source, blocks, target)
        case .q6_K: SuperBlockEncoder.q6_K(source, blocks, target)
        default: preconditionFailure("no encoder for \(rawValue)")
        }
    }
}
