internal import ApusFormats
internal import CCUDA

/// What NVRTC makes kernels of.
struct KernelSources {
    /// A file by the name that others include it by.
    struct File {
        let name, text: String
    }

    /// What is compiled first, then what it includes.
    let files: [File]
    let options: [String]

    /// Those that the program carries with it.
    static var embedded: KernelSources {
        var count = 0
        let sources = UnsafeBufferPointer(start: ccuda_sources(&count), count: count)
        return KernelSources(
            files: sources.map { File(name: String(cString: $0.name), text: String(cString: $0.text)) },
            options: String(cString: ccuda_options()).split(separator: "\n").map(String.init))
    }

    /// A checksum of everything, for which no two different sources look the same.
    var digest: String {
        var hash = SHA256()
        for text in files.flatMap({ [$0.name, $0.text] }) + options {
            hash.update("\(text.utf8.count) ".utf8)
            hash.update(text.utf8)
        }
        return hash.hexadecimal
    }
}
