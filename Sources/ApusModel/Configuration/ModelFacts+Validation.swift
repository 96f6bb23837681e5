internal import ApusFormats

extension ModelFacts {
    /// Larger than any model, small enough that a product of two sizes cannot overflow.
    private static let sizeLimit = 1 << 30
    /// Ten times the deepest model.
    private static let layerLimit = 1 << 11

    /// Checks that the numbers make a model, before anything is made of them. Sizes are checked where they are read.
    ///
    /// - Throws: `FormatError` with code `malformed`.
    func validate(file: String) throws(FormatError) {
        try Self.checkLayers(layerCount, file: file)
        if let fault = relationFault ?? numberFault {
            throw FormatError(.malformed, file: file, fault)
        }
        for rotary in [rotary, windowRotary].compactMap(\.self) {
            if let fault = rotary.fault(headSize: headSize) { throw FormatError(.malformed, file: file, fault) }
        }
        for token in endTokens + [bosToken].compactMap(\.self) where !(0..<vocabularySize ~= Int(token)) {
            throw FormatError(
                .malformed, file: file, "special token \(token) is outside the vocabulary of \(vocabularySize)")
        }
    }

    /// Checks a number of layers by itself, before anything is made for each of them.
    static func checkLayers(_ count: Int, file: String) throws(FormatError) {
        guard 1...layerLimit ~= count else {
            throw FormatError(.malformed, file: file, "number of layers is \(count), wanted 1 to \(layerLimit)")
        }
    }

    private var relationFault: String? {
        if headCount % keyValueHeadCount != 0 {
            return "\(headCount) attention heads cannot share \(keyValueHeadCount) key/value heads, wanted a divisor"
        }
        if headCount * headSize > Self.sizeLimit { return "\(headCount) heads of \(headSize) are too large" }
        if headSize % 2 != 0 { return "head size is \(headSize), wanted an even one" }
        return nil
    }

    private var numberFault: String? {
        if !(normEpsilon.isFinite && normEpsilon >= 0) { return "norm epsilon is \(normEpsilon), wanted 0 or more" }
        let factors = [
            ("attention scale", attentionScale), ("attention soft-cap", attentionSoftCap),
            ("logit soft-cap", logitSoftCap),
            ("embedding multiplier", embeddingMultiplier), ("residual multiplier", residualMultiplier),
            ("logit multiplier", logitMultiplier),
        ]
        for case (let name, let value?) in factors where !(Float(value).isFinite && Float(value) > 0) {
            return "\(name) is \(value), wanted a number above 0"
        }
        return nil
    }
}

/// Sizes: whole numbers from 1 to what a model can have. Whatever is counted, divided or reserved by a file's number is
/// read by these.
extension JSONMembers {
    /// A size that must be there, unless the family has one for that case.
    func size(_ key: String, or family: Int? = nil) throws(FormatError) -> Int {
        if let value = try optionalSize(key) { return value }
        return try int(key, or: family)
    }

    /// A size.
    func optionalSize(_ key: String) throws(FormatError) -> Int? {
        let value = try optionalInt(key)
        if let fault = value.flatMap(ModelFacts.sizeFault) { throw error(.malformed, key, fault) }
        return value
    }
}

extension ModelMetadata {
    /// A size that must be there.
    func size(_ key: String) throws(FormatError) -> Int {
        if let value = try optionalSize(key) { return value }
        return try int(key)
    }

    /// A size.
    func optionalSize(_ key: String) throws(FormatError) -> Int? {
        let value = try optionalInt(key)
        if let fault = value.flatMap(ModelFacts.sizeFault) { throw error(.malformed, key, fault) }
        return value
    }
}

extension ModelFacts {
    /// What is wrong with a number as a size.
    static func sizeFault(_ value: Int) -> String? {
        1...sizeLimit ~= value ? nil : "is \(value), wanted 1 to \(sizeLimit)"
    }
}
