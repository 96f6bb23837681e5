/// Where the user's files lie that can be made again.
package enum UserCache {
    /// The folder for files of a kind: `apus/KIND` in `XDG_CACHE_HOME`, or in `~/.cache` (on macOS `~/Library/Caches`).
    ///
    /// - Parameter variable: the environment variable that moves it to another folder, or turns it `off`.
    /// - Returns: nil where it is off, or nothing says where the user's files lie.
    package static func folder(_ kind: String, variable: String, _ environment: [String: String]) -> String? {
        if let place = environment[variable], !place.isEmpty {
            return ["off", "no", "none", "false", "0"].contains(place.lowercased()) ? nil : place
        }
        // The specification of these folders says that relative paths are to be ignored.
        if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return "\(folder)/apus/\(kind)" }
        guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
        #if canImport(Darwin)
            return "\(home)/Library/Caches/apus/\(kind)"
        #else
            return "\(home)/.cache/apus/\(kind)"
        #endif
    }
}
