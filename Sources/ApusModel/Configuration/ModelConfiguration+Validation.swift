package import ApusFormats

extension ModelConfiguration {
    /// Larger than any model, small enough that a product of two sizes cannot overflow.
    private static let sizeLimit = 1 << 30

    /// Checks that the numbers make a model.
    ///
    /// - Parameter file: The file that they came from, for the error.
    /// - Throws: `FormatError` with code `malformed`.
    package func validate(file: String) throws(FormatError) {
        let sizes = [
            ("hidden size", hiddenSize), ("intermediate size", intermediateSize), ("number of layers", layerCount),
            ("number of attention heads", headCount), ("number of key/value heads", keyValueHeadCount),
            ("head size", headSize), ("vocabulary size", vocabularySize), ("context length", contextLength),
        ]
        for (name, value) in sizes where !(1...Self.sizeLimit ~= value) {
            throw FormatError(.malformed, file: file, "\(name) is \(value), wanted 1 to \(Self.sizeLimit)")
        }
        if let fault = relationFault ?? ropeScaling.fault(headSize: headSize) {
            throw FormatError(.malformed, file: file, fault)
        }
        for token in endTokens + [bosToken].compactMap(\.self) where !(0..<vocabularySize ~= Int(token)) {
            throw FormatError(
                .malformed, file: file, "special token \(token) is outside the vocabulary of \(vocabularySize)")
        }
    }

    private var relationFault: String? {
        if headCount % keyValueHeadCount != 0 {
            return "\(headCount) attention heads cannot share \(keyValueHeadCount) key/value heads, wanted a divisor"
        }
        if headCount * headSize > Self.sizeLimit { return "\(headCount) heads of \(headSize) are too large" }
        if headSize % 2 != 0 { return "head size is \(headSize), rotary embeddings need an even one" }
        if !(ropeTheta.isFinite && ropeTheta > 0) { return "rope theta is \(ropeTheta), wanted a number above 0" }
        if !(normEpsilon.isFinite && normEpsilon >= 0) { return "norm epsilon is \(normEpsilon), wanted 0 or more" }
        return nil
    }
}
