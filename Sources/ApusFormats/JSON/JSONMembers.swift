/// The members of a configuration in JSON, or of an object in one, each read as what it has to be. `null` counts as absent.
package struct JSONMembers: Sendable {
    /// The file's name, for errors.
    package let file: String
    private let path: String
    private let names: Set<String>
    private let members: [String: JSONValue]

    /// Reads a document.
    ///
    /// - Parameters:
    ///   - kind: what the file is to be, for errors, such as `a model configuration`.
    ///   - mayBeEmpty: whether an object without members will do.
    /// - Throws: `FormatError` with code `malformed` for what is no JSON object.
    package init(
        json: some Sequence<UInt8>, file: String, kind: String, mayBeEmpty: Bool = false
    ) throws(FormatError) {
        do throws(JSONReader.Failure) {
            self.init(file: file, path: "", members: try JSONValue(json: json, isLenient: true).object)
        } catch {
            throw FormatError(
                .malformed, file: file,
                "is not \(kind): not valid JSON at byte \(error.offset): \(error.message); copy it again")
        }
        if members.isEmpty, !mayBeEmpty {
            throw FormatError(.malformed, file: file, "is not \(kind): wanted an object with keys")
        }
    }

    private init(file: String, path: String, members: [String: JSONValue]?) {
        self.file = file
        self.path = path
        names = Set((members ?? [:]).keys)
        self.members = (members ?? [:]).filter { if case .null = $0.value { false } else { true } }
    }

    /// Whether a key is there with a value.
    package func has(_ key: String) -> Bool { members[key] != nil }

    /// Whether a key is written, if only as null.
    package func names(_ key: String) -> Bool { names.contains(key) }

    /// A whole number that must be there, unless the family has one for that case.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value, or none.
    package func int(_ key: String, or family: Int? = nil) throws(FormatError) -> Int {
        if let value = try optionalInt(key) ?? family { return value }
        throw error(.malformed, key, "is missing; copy the file again")
    }

    /// A whole number.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func optionalInt(_ key: String) throws(FormatError) -> Int? {
        try optional(key, "a whole number") { $0.integer ?? $0.number.flatMap { Int(exactly: $0) } }
    }

    /// A number.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func optionalNumber(_ key: String) throws(FormatError) -> Double? {
        try optional(key, "a number", \.number)
    }

    /// A truth value.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func bool(_ key: String) throws(FormatError) -> Bool? { try optional(key, "true or false", \.bool) }

    /// Text.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func string(_ key: String) throws(FormatError) -> String? { try optional(key, "text", \.string) }

    /// Several numbers.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func numbers(_ key: String) throws(FormatError) -> [Double]? {
        try optional(key, "an array of numbers") { value in
            value.array.flatMap { list in
                let numbers = list.compactMap(\.number)
                return numbers.count == list.count ? numbers : nil
            }
        }
    }

    /// Several texts.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func strings(_ key: String) throws(FormatError) -> [String]? {
        try optional(key, "an array of texts") { value in
            value.array.flatMap { list in
                let texts = list.compactMap(\.string)
                return texts.count == list.count ? texts : nil
            }
        }
    }

    /// A token.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func token(_ key: String) throws(FormatError) -> Int32? {
        try optional(key, "a token id") { $0.integer.flatMap { Int32(exactly: $0) } }
    }

    /// One token or several.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func tokens(_ key: String) throws(FormatError) -> [Int32]? {
        try optional(key, "a token id or an array of them") { value in
            let list = value.array ?? [value]
            let tokens = list.compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            return tokens.count == list.count ? tokens : nil
        }
    }

    /// The members of an object in their order.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func members(_ key: String) throws(FormatError) -> [JSONValue.Member]? {
        try optional(key, "an object", \.members)
    }

    /// Any value.
    package func value(_ key: String) -> JSONValue? { members[key] }

    /// An object.
    ///
    /// - Throws: `FormatError` with code `malformed` for another kind of value.
    package func object(_ key: String) throws(FormatError) -> JSONMembers? {
        let members = try optional(key, "an object", \.object)
        return members.map { JSONMembers(file: file, path: "\(path)\(key).", members: $0) }
    }

    /// The error of a key whose value cannot be used.
    package func error(_ code: FormatError.Code, _ key: String, _ message: String) -> FormatError {
        FormatError(code, file: file, "\(path)\(key) \(message)")
    }

    private func optional<T>(_ key: String, _ wanted: String, _ read: (JSONValue) -> T?) throws(FormatError) -> T? {
        guard let stored = members[key] else { return nil }
        guard let value = read(stored) else {
            throw error(.malformed, key, "is \(shown(stored)), wanted \(wanted)")
        }
        return value
    }

    private func shown(_ value: JSONValue) -> String {
        switch value {
        case .bool, .integer, .bigInteger, .number: JSONWriter().write(value)
        case .null, .string, .array, .object: value.kindName
        }
    }
}
