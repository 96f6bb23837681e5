internal import ApusFormats
internal import Foundation

/// A folder in which packed weights are kept from one run to the next, so that a model is decoded and quantised once.
///
/// What lies in it can be deleted at any time. Whatever is wrong with it, from a full disk to a damaged file, costs time and
/// nothing else: the weights then come from the model as they did the first time.
public struct WeightCache: Sendable, Equatable {
    /// The folder; it is made when something is first written.
    public let directory: String
    /// What all files in it may take. Those that were not used for the longest time go first.
    public var sizeLimit: Int
    /// Models whose packed weights are smaller are loaded as fast without.
    public var smallestModel: Int

    /// A cache in a folder.
    public init(directory: String, sizeLimit: Int = 8 << 30, smallestModel: Int = 16 << 20) {
        self.directory = directory
        self.sizeLimit = sizeLimit
        self.smallestModel = smallestModel
    }

    /// The name of the environment variable that moves the standard cache to another folder, or turns it `off`.
    public static let environmentVariable = "APUS_WEIGHT_CACHE"

    /// The user's cache: `apus/weights` in `XDG_CACHE_HOME`, or in `~/.cache` (on macOS `~/Library/Caches`). nil where
    /// `APUS_WEIGHT_CACHE` says `off`, or nothing says where the user's files lie.
    public static var standard: WeightCache? { standard(ProcessInfo.processInfo.environment) }

    /// The standard cache in an environment.
    package static func standard(_ environment: [String: String]) -> WeightCache? {
        UserCache.folder("weights", variable: environmentVariable, environment).map { WeightCache(directory: $0) }
    }

    /// Opens the packed weights of a model; nil when they are not there, or not exactly what is wanted.
    func open(_ key: PackedModelKey) -> PackedModel? {
        let path = path(of: key)
        guard let model = PackedModel(path: path, key: key) else { return nil }
        // Marks it as used; on a file system that cannot be written the order of use stays as it was.
        utimes(path, nil)
        return model
    }

    /// The file of a model's packed weights.
    func path(of key: PackedModelKey) -> String { directory + "/" + key.name + Self.suffix }

    /// How the names of its files end.
    static let suffix = ".weights"
}
