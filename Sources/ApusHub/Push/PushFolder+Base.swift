import ApusFormats
import Foundation

extension PushFolder {
    /// Has the adapter's configuration name its base model by a name on the hub, which others find it by.
    ///
    /// - Throws: ``HubError`` with code `badFolder` for a configuration that cannot be read.
    public mutating func nameBase(_ base: RepositoryName) throws(HubError) {
        let path = "adapter_config.json"
        guard let file = file(path) else { return }
        let key = "base_model_name_or_path"
        let problem = { (reason: String) in HubError(.badFolder, "\(path) is no adapter's configuration: \(reason)") }
        guard file.size <= 1 << 24 else { throw problem("it is too large") }
        let data = try PushReader(file).beginning(file.size)
        let tree: JSONValue
        do throws(JSONReader.Failure) { tree = try JSONValue(json: data) } catch { throw problem(error.message) }
        guard var members = tree.members else { throw problem("it is no object") }
        guard tree[key]?.string != base.id else { return }
        members.removeAll { $0.key == key }
        members.append(.init(key: key, value: .string(base.id)))
        members.sort { JSONWriter.precedes($0.key, $1.key) }
        add(Data((JSONWriter(indent: 2).write(JSONValue.object(members)) + "\n").utf8), as: path)
    }
}
