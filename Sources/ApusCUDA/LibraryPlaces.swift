/// Where NVIDIA's libraries beside the driver are looked for.
enum LibraryPlaces {
    /// The name of the environment variable with the folders that they are in, with colons between them: NVIDIA's Python packages
    /// have a folder for each library.
    static let foldersVariable = "APUS_CUDA_LIB"
    /// The usual place of a toolkit.
    private static let usualFolder = "/usr/local/cuda/lib64"
    /// Versions of CUDA, by the first number, whose libraries have the functions that are used.
    private static let generations = [13, 12]

    /// All places of a library, such as "libnvrtc", in the order in which they are tried.
    ///
    /// - Parameter driverVersion: the version of CUDA that the driver is for, such as 12040: it works with no later generation.
    static func of(_ library: String, _ environment: [String: String], driverVersion: Int) -> [String] {
        let names = generations.filter { $0 <= driverVersion / 1000 }.map { "\(library).so.\($0)" }
        let folders = (environment[foldersVariable] ?? "").split(separator: ":").map(String.init)
        return folders.flatMap { folder in names.map { "\(folder)/\($0)" } } + names
            + names.map { "\(usualFolder)/\($0)" }
    }
}
