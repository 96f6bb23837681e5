extension ElementType {
    /// The type that ggml numbers `id`; types that cannot be decoded are refused by their name.
    init(ggml id: UInt32, tensor: String, path: String) throws(FormatError) {
        if let type = Self.decodable[id] {
            self = type
            return
        }
        let name = Self.undecodable[id] ?? "number \(id)"
        let message =
            "tensor '\(tensor)' has type \(name), which is not supported; "
            + "use a file in Q4_0, Q4_K, Q5_K, Q6_K, Q8_0, F16 or BF16"
        throw FormatError(.unsupported, file: path, message)
    }

    /// ggml's number of the type.
    var ggmlNumber: UInt32 {
        guard let number = Self.decodable.first(where: { $0.value == self })?.key else {
            preconditionFailure("GGUF cannot hold \(rawValue)")
        }
        return number
    }

    private static let decodable: [UInt32: ElementType] = [
        0: .f32, 1: .f16, 2: .q4_0, 3: .q4_1, 6: .q5_0, 7: .q5_1, 8: .q8_0, 10: .q2_K, 11: .q3_K, 12: .q4_K,
        13: .q5_K, 14: .q6_K, 20: .iq4_NL, 23: .iq4_XS, 24: .i8, 25: .i16, 26: .i32, 27: .i64, 28: .f64, 30: .bf16,
    ]

    private static let undecodable: [UInt32: String] = [
        4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
        21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8",
        33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4",
    ]
}
