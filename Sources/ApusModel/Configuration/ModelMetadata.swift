internal import ApusFormats

/// The metadata of a GGUF file under the prefix of its architecture, each read as what it has to be.
struct ModelMetadata {
    let file: GGUFFile
    /// `general.architecture`.
    let architecture: String

    /// - Throws: `FormatError` when the file does not say of which architecture it is.
    init(_ file: GGUFFile) throws(FormatError) {
        self.file = file
        let key = "general.architecture"
        guard let value = file.metadata[key] else { throw Self.missing(key, file) }
        guard let name = value.string else { throw Self.unfit(key, value, "text", file) }
        architecture = name
    }

    /// Whether a key is there.
    func has(_ key: String) -> Bool { file.metadata[whole(key)] != nil }

    /// A whole number that must be there.
    func int(_ key: String) throws(FormatError) -> Int {
        guard let value = try optionalInt(key) else { throw Self.missing(whole(key), file) }
        return value
    }

    /// A number that must be there.
    func number(_ key: String) throws(FormatError) -> Double {
        guard let value = try optionalNumber(key) else { throw Self.missing(whole(key), file) }
        return value
    }

    /// A number.
    func optionalNumber(_ key: String) throws(FormatError) -> Double? { try optional(whole(key), "a number", \.float) }

    /// Text.
    func string(_ key: String) throws(FormatError) -> String? { try optional(whole(key), "text", \.string) }

    /// A whole number, or an array with one value for each layer that are all the same.
    func optionalInt(_ key: String) throws(FormatError) -> Int? {
        let key = whole(key)
        if let values = file.metadata[key]?.ints, let first = values.first {
            guard values.allSatisfy({ $0 == first }) else {
                throw FormatError(
                    .unsupported, file: file.path, "metadata '\(key)' differs between layers, which is not supported")
            }
            return first
        }
        return try optional(key, "a whole number", \.int)
    }

    /// A token of `tokenizer.ggml`.
    func token(_ name: String) throws(FormatError) -> Int32? {
        let key = "tokenizer.ggml.\(name)"
        guard let value = try optional(key, "a whole number", \.int) else { return nil }
        guard let token = Int32(exactly: value) else { throw Self.unfit(key, .integer(value), "a token id", file) }
        return token
    }

    /// The numbers of a tensor in fp32, such as the divisors of rotary frequencies; nil when it is not there.
    func floats(_ name: String) throws(FormatError) -> [Float]? {
        guard let entry = file.entries[name] else { return nil }
        guard entry.type == .f32 else {
            throw FormatError(.unsupported, file: file.path, "\(name) is \(entry.type.rawValue), wanted F32")
        }
        return try file.readFloats(name)
    }

    /// The error of a key whose value cannot be used.
    func error(_ code: FormatError.Code, _ key: String, _ message: String) -> FormatError {
        FormatError(code, file: file.path, "\(whole(key)) \(message)")
    }

    private func whole(_ key: String) -> String { "\(architecture).\(key)" }

    private func optional<T>(_ key: String, _ wanted: String, _ access: (GGUFValue) -> T?) throws(FormatError) -> T? {
        guard let stored = file.metadata[key] else { return nil }
        guard let value = access(stored) else { throw Self.unfit(key, stored, wanted, file) }
        return value
    }

    private static func missing(_ key: String, _ file: GGUFFile) -> FormatError {
        FormatError(.missing, file: file.path, "metadata '\(key)' is missing; convert the model again")
    }

    private static func unfit(_ key: String, _ value: GGUFValue, _ wanted: String, _ file: GGUFFile) -> FormatError {
        FormatError(.malformed, file: file.path, "metadata '\(key)' is \(value), wanted \(wanted)")
    }
}
