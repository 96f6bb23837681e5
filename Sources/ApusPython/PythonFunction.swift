import Foundation

/// A function written in Python, by its place: `rewards.py:correctness_reward_func`, or `package.module.function`
/// for one that Python itself can import.
package struct PythonFunction: Sendable, Equatable, Hashable {
    /// Where the function is defined.
    package enum Source: Sendable, Equatable, Hashable {
        /// The path of a `.py` file.
        case file(String)
        /// The name of a module that the interpreter finds.
        case module(String)
    }

    /// Where the function is defined.
    package var source: Source
    /// The function's name there; it may have dots, for a method of an instance.
    package var name: String

    /// A function by its place.
    package init(source: Source, name: String) {
        self.source = source
        self.name = name
    }

    /// Reads `path.py:function` or `module.function`; nil when the text is neither.
    package init?(_ text: String) {
        if let colon = text.lastIndex(of: ":") {
            let path = String(text[..<colon])
            let name = String(text[text.index(after: colon)...])
            guard path.hasSuffix(".py"), Self.isDottedName(name) else { return nil }
            self.init(source: .file(path), name: name)
        } else if let dot = text.lastIndex(of: "."), !text.hasSuffix(".py"), Self.isDottedName(text) {
            self.init(source: .module(String(text[..<dot])), name: String(text[text.index(after: dot)...]))
        } else {
            return nil
        }
    }

    /// The text that ``init(_:)`` reads.
    package var text: String {
        switch source {
        case .file(let path): "\(path):\(name)"
        case .module(let module): "\(module).\(name)"
        }
    }

    /// The function with the path of its file as it is found from here; one folder after the other is searched.
    ///
    /// A module that lies in one of them becomes that file.
    /// - Throws: ``PythonLoadError`` where there is no such file.
    package func resolved(in folders: [String]) throws(PythonLoadError) -> PythonFunction {
        func path(_ file: String) -> String? {
            let candidates = file.hasPrefix("/") ? [file] : folders.map { $0.isEmpty ? file : $0 + "/" + file }
            return candidates.first { FileManager.default.fileExists(atPath: $0) }
        }
        switch source {
        case .file(let file):
            guard let found = path(file) else {
                let places = folders.map { $0.isEmpty ? "the current folder" : $0 }.joined(separator: " and ")
                throw PythonLoadError(reason: "names \(file), which is not in \(places)")
            }
            return PythonFunction(source: .file(found), name: name)
        case .module(let module):
            guard let found = path(module.replacing(".", with: "/") + ".py") else { return self }
            return PythonFunction(source: .file(found), name: name)
        }
    }

    private static func isDottedName(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            part.first.map { $0.isLetter || $0 == "_" } == true
                && part.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        }
    }
}
