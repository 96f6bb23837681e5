import ApusFormats
import ApusTables
import Foundation

/// A folder that `save_to_disk` of `datasets` wrote: Arrow files beside a `state.json`, and several such folders beside a
/// `dataset_dict.json` where there are several splits.
struct SavedDataset {
    let layout: DatasetLayout

    private static let sizeLimit = 64 << 20

    /// Nil for any other folder.
    ///
    /// - Throws: ``DataError`` for a damaged `state.json` or `dataset_dict.json`.
    init?(folder: String, name: String) throws(DataError) {
        if let dictionary = try Self.json("\(folder)/dataset_dict.json") {
            let splits = try Self.names(dictionary["splits"], in: "\(folder)/dataset_dict.json")
            var found: [DatasetLayout.Split] = []
            for split in splits {
                let files = try Self.files(in: "\(folder)/\(split)") ?? []
                found.append(DatasetLayout.Split(name: split, files: files.map { "\(split)/\($0)" }))
            }
            layout = DatasetLayout(splits: found, name: name)
        } else if let files = try Self.files(in: folder) {
            layout = DatasetLayout(
                splits: [DatasetLayout.Split(name: LocalDataset.fileSplit, files: files)], name: name)
        } else {
            return nil
        }
    }

    private static func files(in folder: String) throws(DataError) -> [String]? {
        let path = "\(folder)/state.json"
        guard let state = try json(path) else { return nil }
        let files = state["_data_files"].map { files in files.array?.map { $0["filename"] ?? .null } ?? [.null] }
        return try names(.array(files ?? [.null]), in: path)
    }

    /// Names of what lies in the folder itself.
    private static func names(_ value: JSONValue?, in file: String) throws(DataError) -> [String] {
        let names = value?.array?.compactMap(\.string) ?? []
        guard !names.isEmpty, names.count == value?.array?.count,
            names.allSatisfy({ !$0.isEmpty && $0 != ".." && $0 != "." && !$0.contains("/") })
        else {
            throw DataError(
                .damaged, file: file,
                message: "wanted the names of files in this folder, found others; save the data set anew")
        }
        return names
    }

    private static func json(_ path: String) throws(DataError) -> JSONValue? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do throws(JSONReader.Failure) {
            guard data.count <= sizeLimit else { throw JSONReader.Failure(offset: 0, message: "the file is too long") }
            return try JSONValue(json: data)
        } catch {
            throw DataError(.invalidJSON, file: path, message: "\(error.message.onOneLine) at byte \(error.offset + 1)")
        }
    }
}
