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
    dependencies: [
    ],
    targets: [
        .target(name: "CKernels", cSettings: cSettings),
        module("ApusFormats", []),
        module("ApusText", []),
        module("ApusTensor", ["CKernels"]),
        module("ApusModel", ["ApusTensor", "ApusFormats", "ApusText"]),
        .target(name: "ApusTestSupport", path: "Tests/ApusTestSupport", swiftSettings: swiftSettings),
    ]
)
