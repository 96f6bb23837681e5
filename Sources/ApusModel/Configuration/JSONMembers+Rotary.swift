internal import ApusFormats

extension JSONMembers {
    /// The rotary embedding of a model, in the spelling of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`).
    ///
    /// - Parameters:
    ///   - kind: the kind of layer whose parameters are wanted, where each kind may have its own.
    ///   - theta: what holds where the file says nothing.
    func rotary(
        for kind: String? = nil, headSize: Int, contextLength: Int, theta: Double
    ) throws(FormatError) -> RotaryEmbedding {
        let (newer, older) = (try object("rope_parameters"), try object("rope_scaling"))
        var parameters = newer ?? older
        if let kind, let own = try parameters?.object(kind) { parameters = own }
        func number(_ key: String) throws(FormatError) -> Double? {
            if let own = try parameters?.optionalNumber(key) { return own }
            return try optionalNumber(key)
        }
        var rotary = RotaryEmbedding(
            theta: try number("rope_theta") ?? theta,
            dimensions: (Double(headSize) * (try number("partial_rotary_factor") ?? 1)).wholeNumber(in: 0...headSize))
        if let parameters { rotary.scaling = try scaling(parameters, contextLength: contextLength) }
        return rotary
    }

    /// What layers with a window turn by, in families where they have their own: older files name at most its theta, and
    /// stretch only the others.
    func windowRotary(_ facts: ModelFacts, theta: Double) throws(FormatError) -> RotaryEmbedding {
        guard try object("rope_parameters")?.has("sliding_attention") == true else {
            return RotaryEmbedding(theta: theta, dimensions: facts.headSize)
        }
        return try rotary(
            for: "sliding_attention", headSize: facts.headSize, contextLength: facts.contextLength, theta: theta)
    }

    private func scaling(_ written: JSONMembers, contextLength: Int) throws(FormatError) -> RopeScaling {
        let (newer, older) = (try written.string("rope_type"), try written.string("type"))
        let kind = newer ?? older ?? "default"
        // Phi-3 says outside of the parameters how long its first training's context was, and that comes first.
        let key = "original_max_position_embeddings"
        let (outer, inner) = (try optionalSize(key), try written.optionalSize(key))
        let original = outer ?? inner ?? contextLength
        switch kind {
        case "default", "mrope": return .none
        case "linear": return .linear(factor: try written.number("factor", of: kind))
        case "dynamic":
            return .dynamic(
                factor: try written.number("factor", of: kind), original: contextLength, context: contextLength)
        case "llama3":
            return .llama3(
                factor: try written.number("factor", of: kind), low: try written.number("low_freq_factor", of: kind),
                high: try written.number("high_freq_factor", of: kind), original: original)
        case "yarn":
            return .yarn(try written.yarn(original: original, contextLength: contextLength))
        case "longrope", "su":
            return .long(try written.longRope(original: original, contextLength: contextLength))
        default:
            throw error(
                .unsupported, "rope type",
                "is '\(kind)', supported are default, linear, dynamic, llama3, yarn and longrope")
        }
    }

    private func number(_ key: String, of kind: String) throws(FormatError) -> Double {
        guard let value = try optionalNumber(key) else {
            throw error(.malformed, key, "is missing, which rope type \(kind) needs")
        }
        return value
    }

    private func yarn(original: Int, contextLength: Int) throws(FormatError) -> YarnScaling {
        let factor = try optionalNumber("factor") ?? Double(contextLength) / Double(original)
        var amplitude = try optionalNumber("attention_factor")
        if amplitude == nil, let scale = try optionalNumber("mscale"), let all = try optionalNumber("mscale_all_dim"),
            scale != 0, all != 0
        {
            amplitude = YarnScaling.amplitude(factor, scale) / YarnScaling.amplitude(factor, all)
        }
        var yarn = YarnScaling(factor: factor, original: original, amplitude: amplitude)
        // Zero counts as nothing said.
        if let fast = try optionalNumber("beta_fast"), fast != 0 { yarn.betaFast = fast }
        if let slow = try optionalNumber("beta_slow"), slow != 0 { yarn.betaSlow = slow }
        yarn.truncates = try bool("truncate") ?? yarn.truncates
        return yarn
    }

    private func longRope(original: Int, contextLength: Int) throws(FormatError) -> LongRopeScaling {
        guard let short = try numbers("short_factor"), let long = try numbers("long_factor") else {
            throw error(.malformed, "short_factor", "or long_factor is missing, which rope type longrope needs")
        }
        let factor = try optionalNumber("factor") ?? Double(contextLength) / Double(original)
        return LongRopeScaling(
            short: short, long: long, original: original,
            amplitude: try optionalNumber("attention_factor") ?? LongRopeScaling.amplitude(factor, original: original))
    }
}
