// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that no ordinary build or test sees it. The modules are the project's, by symbolic links.

let cSettings: [CSetting] = [.unsafeFlags(["-O2", "-fsanitize=fuzzer-no-link,address"])]
let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Readers of bytes in memory are internal; a file for each of millions of inputs would be the slowest part.
    .unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"]),
]

/// A fuzzer of one reader. Linked by lld: gold stumbles over the sanitizer's symbols.
func fuzzer(_ name: String, of module: String = "ApusFormats") -> Target {
    .executableTarget(
        name: name, dependencies: Set(["ApusFormats", "FuzzDriver", module]).sorted().map { .init(stringLiteral: $0) },
        swiftSettings: swiftSettings,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
}

/// Answers one of the scripts that look for differences: Scripts/differ_templates.py, Scripts/differ_tokenizers.py,
/// Scripts/check_tables.py.
func answerer(_ name: String, of module: String = "ApusText") -> Target {
    .executableTarget(
        name: name, dependencies: ["ApusFormats", .init(stringLiteral: module)],
        swiftSettings: [.unsafeFlags(["-sanitize=address", "-enable-testing"])],
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
}

let package = Package(
    name: "fuzzing",
    targets: [
        .target(name: "CBlocks", cSettings: cSettings),
        .target(name: "ApusFormats", dependencies: ["CBlocks"], swiftSettings: swiftSettings),
        .target(name: "ApusText", dependencies: ["ApusFormats"], swiftSettings: swiftSettings),
        .target(name: "ApusTensor", swiftSettings: swiftSettings),
        .target(
            name: "ApusModel", dependencies: ["ApusTensor", "ApusFormats", "ApusText"], swiftSettings: swiftSettings),
        .target(
            name: "CCodecs", cSettings: cSettings, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        .target(name: "ApusTables", dependencies: ["ApusFormats", "CCodecs"], swiftSettings: swiftSettings),
        .target(name: "CFuzzer", cSettings: cSettings),
        .target(
            name: "FuzzDriver", dependencies: ["ApusFormats", "ApusTables", "ApusText", "CFuzzer"],
            swiftSettings: swiftSettings),
        fuzzer("FuzzSafetensors"),
        fuzzer("FuzzGGUF"),
        fuzzer("FuzzAdapterConfiguration"),
        fuzzer("FuzzJSON"),
        fuzzer("FuzzModelConfiguration", of: "ApusModel"),
        fuzzer("FuzzTemplate", of: "ApusText"),
        fuzzer("FuzzTokenizer", of: "ApusText"),
        fuzzer("FuzzSentencePiece", of: "ApusText"),
        fuzzer("FuzzParquet", of: "ApusTables"),
        fuzzer("FuzzArrow", of: "ApusTables"),
        answerer("RenderTemplates"),
        answerer("AnswerTokens"),
        fuzzer("FuzzTextTable", of: "ApusTables"),
        answerer("PrintRows", of: "ApusTables"),
    ]
)
