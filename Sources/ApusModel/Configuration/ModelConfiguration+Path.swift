public import ApusFormats
import Foundation

extension ModelConfiguration {
    /// Reads only what says how large a model is: `config.json` of a folder, or a GGUF file's header.
    ///
    /// - Throws: `FormatError` that names the file, what was wanted and what was found.
    public init(path: String) throws(FormatError) {
        guard Checkpoint.isFolder(path) else {
            self = try ModelConfiguration(gguf: try GGUFFile(path: path))
            return
        }
        let file = (path as NSString).appendingPathComponent("config.json")
        self = try ModelConfiguration(
            huggingFace: try MappedFile(path: file).withBytes { Data($0) }, generation: nil, file: file)
    }
}
