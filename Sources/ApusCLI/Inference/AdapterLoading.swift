import Apus
import Foundation

extension ModelLoading {
    /// Loads an adapter, and says what there is to say of its file.
    ///
    /// - Throws: `FormatError` or `ModelError`, each one line that says what to do.
    static func adapter(path: String, for model: LanguageModel) throws -> LoRAAdapter {
        let adapter = try LoRAAdapter(directory: URL(filePath: path, directoryHint: .isDirectory), for: model)
        for remark in adapter.remarks { Terminal.complain(remark) }
        return adapter
    }
}
