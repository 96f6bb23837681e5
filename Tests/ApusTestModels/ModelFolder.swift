import ApusTestSupport
import Foundation

/// A fixture's model files in a folder of their own with a tokenizer, which the tiny models do not have.
///
/// The folder is removed with the object; a loaded model no longer needs it.
public final class ModelFolder: Sendable {
    /// The folder.
    public let path: String
    private let parent: TemporaryFolder

    /// Copies a fixture.
    public init(copying name: String) throws {
        parent = try TemporaryFolder()
        let folder = parent.url.appending(path: "model", directoryHint: .isDirectory)
        try FileManager.default.copyItem(at: Fixture.url(name), to: folder)
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            try FileManager.default.copyItem(at: Fixture.url("base96-slips/\(file)"), to: folder.appending(path: file))
        }
        path = folder.path
    }
}
