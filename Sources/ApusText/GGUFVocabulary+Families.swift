/// What `tokenizer.ggml.pre` says: how text is cut and prepared.
///
/// The names are llama.cpp's. Where it approximates an expression that its regular expressions cannot say, the one of the
/// model's own tokenizer.json stands here: what the model was trained with counts.
extension GGUFVocabulary {
    /// One of the ways.
    struct Family: Sendable {
        var cuttings: [Cutting]
        var composesUnicode = false
        var ignoresMerges = false
    }

    /// What is read where the file does not say how text is cut, as llama.cpp has it.
    private static let unnamed = "default"

    /// The name, also where the file has none.
    private var familyName: String { pre.flatMap { $0.isEmpty ? nil : $0 } ?? Self.unnamed }

    /// Whether nothing says how the model's text was cut.
    var isFamilyUnknown: Bool { familyName == Self.unnamed && model == "gpt2" }

    /// One line for everything to warn of.
    ///
    /// - Parameter cuttings: those of the family.
    func remarks(on cuttings: [Cutting]) -> [String] {
        guard isFamilyUnknown else { return remarksOnParting(cuttings) }
        return [
            "\(name): tokenizer.ggml.pre is \(pre.map { "'\($0)'" } ?? "absent"), so nothing says how the model's text was cut: it is cut as llama.cpp "
                + "cuts it by default, which gives other tokens than the model was trained with for much of it; convert the "
                + "model again with a current converter"
        ]
    }

    /// So many of a thousand tokens may have come in by hand, or from an older vocabulary.
    private static let partedLimit = 2
    private static let sampledTokens = 4000

    /// A vocabulary has no tokens that reach over the cuts it was made with, but for some that came in otherwise: Qwen's has
    /// one of a hundred. Where GPT-2's cuts part none at all, its successors, which leave line breaks with what stands
    /// before them, did not make it; a name that parts some of it is then wrong.
    private func remarksOnParting(_ cuttings: [Cutting]) -> [String] {
        guard model == "gpt2", cuttings != [.pattern(.gpt2)] else { return [] }
        var (parted, count) = (0, 0)
        for id in stride(from: 0, to: tokens.count, by: max(tokens.count / Self.sampledTokens, 1)) {
            guard tokenTypes.indices.contains(id) ? tokenTypes[id] == 1 : true else { continue }
            let bytes = ByteAlphabet.decode(tokens[id])
            guard bytes.count > 1, String(validating: bytes, as: UTF8.self) != nil else { continue }
            if [Cutting.pattern(.gpt2)].parts(bytes) { return [] }
            count += 1
            if cuttings.parts(bytes) { parted += 1 }
        }
        guard parted * 1000 > count * Self.partedLimit else { return [] }
        return [
            "\(name): tokenizer.ggml.pre is '\(familyName)', which parts \(parted) of \(count) tokens that were looked at, so it "
                + "is not what the model was trained with, and text becomes other tokens; convert the model again with a "
                + "current converter"
        ]
    }

    /// Whether the family's models begin every text with a token.
    var addsFamilyBOS: Bool { Self.entry(familyName)?.addsBOS ?? false }

    private static func entry(_ name: String) -> FamilyEntry? { entries.first { $0.names.contains(name) } }

    func family() throws(TextError) -> Family {
        guard model == "gpt2" else {
            throw TextError(
                code: .unsupported,
                message:
                    "\(name): tokenizer model '\(model)' is not supported; use a model with BPE of bytes ('gpt2'), or of "
                    + "characters ('llama')")
        }
        guard let entry = Self.entry(familyName) else {
            throw TextError(
                code: .unsupported,
                message: "\(name): tokenizer.ggml.pre '\(familyName)' is not supported; known are "
                    + Self.entries.flatMap(\.names).sorted().joined(separator: ", "))
        }
        return try entry.family(name)
    }

    /// What llama.cpp calls the way in which a tokenizer cuts text; nil when it has no name for it.
    static func familyName(of definition: TokenizerDefinition) -> String? {
        let names = entries.first { entry in
            guard let family = try? entry.family("") else { return false }
            return family.cuttings == definition.cuttings && family.ignoresMerges == definition.ignoresMerges
                && family.composesUnicode == (definition.normalizers == [.form(.composed)])
        }
        return names?.names.first
            ?? entries.first { (try? $0.family(""))?.cuttings == definition.cuttings }?.names.first
    }
}

extension [Cutting] {
    fileprivate func parts(_ text: [UInt8]) -> Bool {
        var pieces = 0
        forEachPiece(of: text[...], beginning: 0) { _ in pieces += 1 }
        return pieces > 1
    }
}

extension TokenizerDefinition {
    fileprivate var ignoresMerges: Bool {
        if case .bytePairs(let rules) = model { rules.ignoresMerges } else { false }
    }
}

/// One step in which a family cuts text.
private enum FamilyStep: Sendable {
    case known(SplitPattern)
    case digits
    case expression(String)

    func cutting(_ name: String) throws(TextError) -> Cutting {
        switch self {
        case .known(let pattern): return .pattern(pattern)
        case .digits: return .characters(.digit, .isolated)
        case .expression(let source):
            do throws(PatternError) {
                return .division(Division(matcher: .expression(try SplitExpression(source)), behavior: .isolated))
            } catch {
                throw TextError(code: .unsupported, message: "\(name): the split pattern \(source) (\(error))")
            }
        }
    }
}

/// Names that mean the same, the one to be written first.
private struct FamilyEntry: Sendable {
    var names: [String]
    var steps: [FamilyStep]
    var composesUnicode = false
    var ignoresMerges = false
    var addsBOS = false

    func family(_ name: String) throws(TextError) -> GGUFVocabulary.Family {
        var cuttings: [Cutting] = []
        for step in steps { cuttings.append(try step.cutting(name)) }
        return GGUFVocabulary.Family(
            cuttings: cuttings, composesUnicode: composesUnicode, ignoresMerges: ignoresMerges)
    }
}

extension GGUFVocabulary {
    private static let entries: [FamilyEntry] = [
        FamilyEntry(
            names: [
                "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat",
                "a.x-4.0",
                "mellum", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
            ], steps: [.known(.gpt2)]),
        FamilyEntry(
            names: [
                "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
            ], steps: [.digits, .known(.gpt2)]),
        FamilyEntry(names: ["qwen2", "deepseek-r1-qwen"], steps: [.known(.qwen2)], composesUnicode: true),
        FamilyEntry(
            names: ["stablelm2", "hunyuan", "solar-open", "grok-2", "megrez", "kormo", "f2llmv2"],
            steps: [.known(.qwen2)]),
        FamilyEntry(
            names: [
                "llama-bpe", "llama-v3", "llama3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
                "jina-v5-nano",
            ], steps: [.known(.llama3)], ignoresMerges: true, addsBOS: true),
        FamilyEntry(names: ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], steps: [.known(.llama3)]),
        FamilyEntry(names: ["qwen35"], steps: [.expression(FamilyExpression.qwen35)], composesUnicode: true),
        FamilyEntry(
            names: ["tekken"], steps: [.expression(FamilyExpression.tekken)], ignoresMerges: true, addsBOS: true),
        FamilyEntry(
            names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], steps: [.expression(FamilyExpression.gpt4o)]
        ),
        FamilyEntry(
            names: ["deepseek-v3", "hunyuan-dense", "joyai-llm"],
            steps: FamilyExpression.deepseek3.map(FamilyStep.expression)),
        FamilyEntry(
            names: ["deepseek-coder"], steps: FamilyExpression.deepseekCoder.map(FamilyStep.expression)),
        FamilyEntry(names: ["deepseek-llm"], steps: FamilyExpression.deepseek.map(FamilyStep.expression)),
        FamilyEntry(
            names: ["falcon"],
            steps: [
                .expression(#"[\p{P}\$\+<=>\^~\|`]+"#), .known(.gpt2), .expression("[0-9][0-9][0-9]"),
            ]),
        FamilyEntry(
            names: ["default"],
            steps: [
                .expression(#"[\p{P}\$\+<=>\^~\|]+"#), .known(.gpt2), .expression(#"\p{N}+"#),
                .expression("[0-9][0-9][0-9]"),
            ]),
        FamilyEntry(names: ["poro-chat", "bloom", "gpt3-finnish"], steps: [.expression(FamilyExpression.bloom)]),
        FamilyEntry(names: ["viking"], steps: [.expression(FamilyExpression.bloom), .digits]),
        FamilyEntry(
            names: ["bailingmoe", "bailingmoe2", "llada-moe"], steps: [.expression(FamilyExpression.bailing)]),
        FamilyEntry(names: ["seed-coder"], steps: [.expression(FamilyExpression.seedCoder)]),
        FamilyEntry(names: ["kimi-k2"], steps: [.expression(FamilyExpression.kimi)]),
        FamilyEntry(names: ["laguna"], steps: [.expression(#"[^\n]+|[\n]+"#), .known(.qwen2)]),
        FamilyEntry(
            names: ["minicpm5"], steps: [.expression(#"\p{N}{1,3}"#), .expression(FamilyExpression.minicpm)],
            ignoresMerges: true),
        FamilyEntry(names: ["ufakzeka"], steps: [.known(.gpt4(GPT4Pattern(splitsContractions: false)))]),
    ]
}

/// The expressions of the families that no scanner knows.
private enum FamilyExpression {
    private static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let capitals = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let smalls = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let start = #"[^\r\n\p{L}\p{N}]?"#

    static let qwen35 =
        contraction + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + spaces
    static let tekken =
        "\(start)\(capitals)*\(smalls)+|\(start)\(capitals)+\(smalls)*"
        + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
    static let gpt4o =
        "\(start)\(capitals)*\(smalls)+\(contraction)?|\(start)\(capitals)+\(smalls)*\(contraction)?"
        + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
    static let deepseek3 = [
        #"\p{N}{1,3}"#, #"[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+"#,
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
            + #"| ?[\p{P}\p{S}]+[\r\n]*|"# + spaces,
    ]
    static let deepseekCoder = [
        #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, #"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+"#, #"\p{N}"#,
    ]
    static let deepseek = [
        #"[\r\n]"#,
        #"\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}"#
            + #"\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}"#
            + #"\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}"#
            + #"\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}"#
            + #"\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}"#
            + #"\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}"#
            + #"\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}"#
            + #"\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}"#
            + #"\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}"#
            + #"\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}"#
            + #"\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}"#
            + #"\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}"#
            + #"\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}"#
            + #"\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+"#,
        #"\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+"#, #"\s+$"#,
        #"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+"#, #"\p{N}+"#,
    ]
    static let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#
    static let bailing =
        #"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"#
        + #"|\s*[\r\n]|\s+(?!\S)|\s+"#
    static let seedCoder = contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + spaces
    static let kimi =
        #"[\p{Han}]+|"# + start + #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"#
        + contraction + "?|" + start
        + #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"# + contraction + "?"
        + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
    static let minicpm =
        contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
}
