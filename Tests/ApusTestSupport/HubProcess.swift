public import Foundation

/// `Tests/Fixtures/hub/hub_server.py`, a hub on this machine, for as long as the object lives.
public final class HubProcess {
    /// Where it is.
    public let endpoint: URL
    private let process = Process()
    private let input = Pipe()

    /// Starts it.
    ///
    /// - Parameter state: what it has, as the script describes it.
    public init(state: Data? = nil) throws {
        let folder = try TemporaryFolder()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", Fixture.url("hub/hub_server.py").path(percentEncoded: false)]
        if let state { process.arguments?.append(try folder.write(state, as: "state.json")) }
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        struct Ports: Decodable { let hub: Int }
        let ports = try JSONDecoder().decode(Ports.self, from: output.fileHandleForReading.availableData)
        guard let url = URL(string: "http://127.0.0.1:\(ports.hub)") else { throw CocoaError(.fileReadCorruptFile) }
        endpoint = url
    }

    deinit { try? input.fileHandleForWriting.close() }
}
