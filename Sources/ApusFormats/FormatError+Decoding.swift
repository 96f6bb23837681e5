extension FormatError {
    /// What a JSON decoding error complains about, in one line.
    public static func summary(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        func place(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, _): return "'\(key.stringValue)' is missing"
        case .typeMismatch(let type, let context): return "'\(place(context))' is not of type \(type)"
        case .valueNotFound(let type, let context): return "'\(place(context))' is null, wanted \(type)"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "not valid JSON" : "'\(place(context))' is not valid"
        @unknown default: return "not valid JSON"
        }
    }
}
