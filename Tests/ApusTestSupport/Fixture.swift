public import Foundation

/// Files under `Tests/Fixtures`: what the real libraries computed, with the scripts that made them.
public enum Fixture {
    /// The environment variable with another folder, for programs that have left the machine that built them.
    public static let variable = "APUS_FIXTURES"

    /// The folder of all fixtures, found from this source file so that no resource bundle has to be built.
    public static let directory =
        ProcessInfo.processInfo.environment[variable].map { URL(filePath: $0) }
        ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    /// The location of one fixture.
    public static func url(_ path: String) -> URL { directory.appending(path: path) }

    /// The bytes of one fixture.
    public static func data(_ path: String) throws -> Data { try Data(contentsOf: url(path)) }

    /// A fixture decoded from JSON.
    public static func json<T: Decodable>(_ path: String, as type: T.Type = T.self) throws -> T {
        try JSONDecoder().decode(T.self, from: data(path))
    }
}
