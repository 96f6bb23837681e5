// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

// Kernels are compiled with -O3 in debug builds too: at -O0 the kernel tests would run fifty times slower.
let cSettings: [CSetting] = [
    .unsafeFlags(["-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"])
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["ApusTestSupport"], swiftSettings: swiftSettings)
}

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .executable(name: "apus", targets: ["ApusCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        .target(name: "CKernels", cSettings: cSettings),
        .target(
            name: "CDemo", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror", "-Wno-c23-extensions"])]
        ),
        .target(name: "CBlocks", cSettings: cSettings),
        .target(
            name: "CTransfer", cSettings: cSettings, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        module("ApusNetwork", ["CTransfer"]),
        module("ApusFormats", ["CBlocks"]),
        module("ApusText", ["ApusFormats"]),
        module("ApusTensor", ["CKernels"]),
        module("ApusModel", ["ApusTensor", "ApusFormats", "ApusText"]),
        module("ApusExport", ["ApusModel", "ApusFormats", "ApusText"]),
        module("ApusGeneration", ["ApusModel", "ApusTensor"]),
        module("ApusData", ["ApusFormats", "ApusText"]),
        // Scripts travel inside the program: an installed `apus` is one file.
        .target(
            name: "ApusPython", dependencies: ["ApusData", "ApusFormats", "ApusText"],
            resources: [.embedInCode("worker.py"), .embedInCode("data_calls.py")], swiftSettings: swiftSettings
        ),
        .target(
            name: "ApusRewards", dependencies: ["ApusData", "ApusFormats", "ApusNetwork", "ApusPython", "ApusText"],
            resources: [.embedInCode("reward_calls.py"), .embedInCode("math_rewards.py")], swiftSettings: swiftSettings
        ),
        module(
            "ApusTrain", ["ApusData", "ApusGeneration", "ApusModel", "ApusTensor", "ApusText", "ApusFormats"]),
        .target(
            name: "ApusTrackers", dependencies: ["ApusFormats", "ApusTrain"],
            resources: [.embedInCode("tracker_worker.py")], swiftSettings: swiftSettings
        ),
        module(
            "Apus",
            [
                "ApusTrain", "ApusTrackers", "ApusRewards", "ApusPython", "ApusData", "ApusExport", "ApusGeneration",
                "ApusModel", "ApusText", "ApusTensor", "ApusFormats",
            ]
        ),
        .executableTarget(
            name: "ApusCLI",
            dependencies: [
                "Apus", "ApusTensor", "CDemo", "Yams",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),
        // What the library's documentation shows: compiled with everything else, so that it stays true.
        .executableTarget(
            name: "TrainFromCode", dependencies: ["Apus"], path: "Examples/TrainFromCode", swiftSettings: swiftSettings
        ),
        .target(
            name: "CKernelsEmulation", dependencies: ["CKernels"], path: "Tests/CKernelsEmulation",
            cSettings: cSettings + [.headerSearchPath("../../Sources/CKernels")]
        ),
        .target(
            name: "ApusTestSupport", dependencies: ["CKernelsEmulation"], path: "Tests/ApusTestSupport",
            swiftSettings: swiftSettings),
        .target(
            name: "ApusTestModels",
            dependencies: ["ApusTestSupport", "ApusModel", "ApusFormats", "ApusTensor"],
            path: "Tests/ApusTestModels", swiftSettings: swiftSettings
        ),
        tests("ApusFormatsTests", ["ApusFormats", "CBlocks"]),
        tests("ApusTextTests", ["ApusText"]),
        tests("ApusTensorTests", ["ApusTensor", "CKernels"]),
        tests("ApusModelTests", ["ApusModel", "ApusTensor", "ApusFormats", "ApusText", "ApusTestModels"]),
        tests(
            "ApusExportTests", ["ApusExport", "ApusModel", "ApusTensor", "ApusFormats", "ApusText", "ApusTestModels"]),
        tests("ApusGenerationTests", ["ApusGeneration", "ApusModel", "ApusTensor", "ApusText", "ApusTestModels"]),
        tests("ApusDataTests", ["ApusData", "ApusFormats", "ApusText"]),
        tests("ApusTrackersTests", ["ApusTrackers", "ApusTrain", "ApusData", "ApusFormats"]),
        tests("ApusPythonTests", ["ApusPython", "ApusData", "ApusText"]),
        tests("ApusRewardsTests", ["ApusRewards", "ApusPython", "ApusData", "ApusText"]),
        tests(
            "ApusTrainTests",
            [
                "ApusTrain", "ApusData", "ApusModel", "ApusFormats", "ApusGeneration", "ApusTensor", "ApusText",
                "ApusTestModels",
            ]
        ),
        tests("ApusCLITests", ["ApusCLI"]),
    ]
)
