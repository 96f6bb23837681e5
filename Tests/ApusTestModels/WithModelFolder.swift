import ApusTestSupport
import Foundation

/// Calls `body` with the path of a folder that holds a fixture's model files and a tokenizer, which the tiny models do
/// not have. The folder is removed afterwards; a loaded model no longer needs it.
public func withModelFolder<Result>(copying name: String, _ body: (_ path: String) throws -> Result) throws -> Result {
    let parent = try TemporaryFolder()
    let folder = parent.url.appending(path: "model", directoryHint: .isDirectory)
    try FileManager.default.copyItem(at: Fixture.url(name), to: folder)
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        try FileManager.default.copyItem(at: Fixture.url("base96-slips/\(file)"), to: folder.appending(path: file))
    }
    // An optimised build would let the parent go, and with it the files, after its last mention.
    return try withExtendedLifetime(parent) { try body(folder.path) }
}
