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
    .unsafeFlags(["-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]),
    .unsafeFlags(["-g0"], .when(configuration: .release)),
]

// Whoever tries Apus waits for the compiler first. Modules that compute nothing by themselves are compiled for size, those that
// talk to people and other processes without optimization: a quarter of the build, and no run is slower by a measurable amount.
let forSize: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]
let unoptimized: [SwiftSetting] = [.unsafeFlags(["-Onone"], .when(configuration: .release))]

func module(
    _ name: String, _ dependencies: [Target.Dependency], _ optimization: [SwiftSetting] = [],
    resources: [Resource]? = nil
) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings + optimization)
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
        .target(
            name: "CCodecs", cSettings: cSettings, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        module("ApusNetwork", ["CTransfer"], unoptimized),
        module("ApusFormats", ["CBlocks"], forSize),
        module("ApusHub", ["ApusNetwork", "ApusFormats"], unoptimized),
        module("ApusText", ["ApusFormats"], forSize),
        module("ApusTensor", []),
        module("ApusCPU", ["ApusTensor", "CKernels"]),
        // Its files embed what the two folders hold.
        .target(
            name: "CCUDA", exclude: ["images", "kernels"],
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror", "-Wno-c23-extensions"])],
            linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        module("ApusCUDA", ["ApusFormats", "ApusTensor", "CCUDA"], forSize),
        module("ApusBench", ["ApusCPU", "ApusTensor", "CKernels"]),
        module("ApusModel", ["ApusTensor", "ApusFormats", "ApusText"], forSize),
        module("ApusExport", ["ApusModel", "ApusFormats", "ApusText"], unoptimized),
        module("ApusGeneration", ["ApusModel", "ApusTensor"]),
        module("ApusTables", ["ApusFormats", "CCodecs"], forSize),
        module("ApusData", ["ApusFormats", "ApusTables", "ApusText", "Yams"], forSize),
        // Scripts travel inside the program: an installed `apus` is one file.
        module(
            "ApusPython", ["ApusData", "ApusFormats", "ApusText"], unoptimized,
            resources: [.embedInCode("worker.py"), .embedInCode("data_calls.py")]),
        module(
            "ApusRewards", ["ApusData", "ApusFormats", "ApusNetwork", "ApusPython", "ApusText"], unoptimized,
            resources: [.embedInCode("reward_calls.py"), .embedInCode("math_rewards.py")]),
        module(
            "ApusTrain", ["ApusData", "ApusGeneration", "ApusModel", "ApusTensor", "ApusText", "ApusFormats"], forSize),
        module(
            "ApusTrackers", ["ApusFormats", "ApusTrain"], unoptimized, resources: [.embedInCode("tracker_worker.py")]),
        module(
            "Apus",
            [
                "ApusTrain", "ApusTrackers", "ApusRewards", "ApusPython", "ApusData", "ApusExport", "ApusGeneration",
                "ApusHub", "ApusModel", "ApusText", "ApusCPU", "ApusCUDA", "ApusTensor", "ApusFormats",
            ]
        ),
        .executableTarget(
            name: "ApusCLI",
            dependencies: [
                "Apus", "ApusBench", "ApusCPU", "ApusCUDA", "ApusTensor", "CDemo", "Yams",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings + unoptimized
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
            name: "ApusTestDevices", dependencies: ["ApusTensor"], path: "Tests/ApusTestDevices",
            // Plain loops, which an unoptimized build makes two hundred times slower.
            swiftSettings: swiftSettings + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        .target(
            name: "ApusTestModels",
            dependencies: [
                "ApusTestSupport", "ApusTestDevices", "CUDAEmulation", "ApusGeneration", "ApusModel", "ApusFormats",
                "ApusCPU", "ApusCUDA", "ApusTensor",
            ],
            path: "Tests/ApusTestModels", swiftSettings: swiftSettings
        ),
        // What is tested on an emulated card, as a program for a real one; Scripts/make_gpu_check.sh takes it there.
        .executableTarget(
            name: "CheckDevice",
            dependencies: [
                "ApusTestDevices", "ApusTestModels", "ApusTestSupport", "ApusTrain", "ApusGeneration", "ApusModel",
                "ApusData", "ApusText", "ApusCPU", "ApusCUDA", "ApusTensor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/CheckDevice", swiftSettings: swiftSettings + unoptimized
        ),
        tests("ApusFormatsTests", ["ApusFormats", "CBlocks"]),
        tests("ApusHubTests", ["ApusHub", "ApusNetwork", "ApusFormats"]),
        tests("ApusTextTests", ["ApusText"]),
        tests("ApusTensorTests", ["ApusTensor", "ApusCPU", "ApusTestDevices"]),
        tests("ApusCPUTests", ["ApusCPU", "ApusTensor", "CKernels"]),
        .target(
            name: "CUDAEmulation", dependencies: ["CCUDA"], path: "Tests/CUDAEmulation",
            cxxSettings: [
                .define("APUS_EMULATION"), .headerSearchPath("."),
                .unsafeFlags(["-O2", "-fno-cxx-modules", "-Wall", "-Wextra", "-Werror"]),
            ]),
        tests(
            "ApusCUDATests",
            [
                "ApusCPU", "ApusCUDA", "ApusGeneration", "ApusModel", "ApusTensor", "ApusTestDevices", "ApusTestModels",
                "CUDAEmulation", "CCUDA",
            ]),
        tests("ApusBenchTests", ["ApusBench", "ApusCPU", "ApusTensor", "CKernels"]),
        tests("ApusModelTests", ["ApusModel", "ApusCPU", "ApusTensor", "ApusFormats", "ApusText", "ApusTestModels"]),
        tests(
            "ApusExportTests", ["ApusExport", "ApusModel", "ApusTensor", "ApusFormats", "ApusText", "ApusTestModels"]),
        tests(
            "ApusGenerationTests",
            ["ApusGeneration", "ApusModel", "ApusCPU", "ApusTensor", "ApusText", "ApusTestModels"]),
        tests("ApusTablesTests", ["ApusTables", "ApusFormats"]),
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
        tests("ApusCLITests", ["ApusCLI", "Apus", "ApusCUDA", "ApusTensor", "ApusTestModels"]),
    ],
    cxxLanguageStandard: .cxx20
)
