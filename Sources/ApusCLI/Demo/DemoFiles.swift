import CDemo
import Foundation

/// The files of the demo that are compiled into the program.
enum DemoFiles {
    /// `Recipes/arithmetic-demo.yaml`, as it was when the program was built.
    static var recipe: String { String(decoding: data(apus_demo_recipe()), as: UTF8.self) }

    /// Writes the model, in Hugging Face's layout, as `model`, and the recipe for a user's own model as `arithmetic.yaml`.
    ///
    /// - Throws: `CommandFailure` with status 2 when the folder cannot be made or written.
    static func write(to folder: URL) throws {
        let model = folder.appending(path: "model", directoryHint: .isDirectory)
        do {
            try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
            for index in 0..<apus_demo_model_file_count() { try write(apus_demo_model_file(index), to: model) }
            try write(apus_demo_next_recipe(), to: folder)
        } catch {
            throw CommandFailure(
                .badInput,
                "--output-dir: cannot write the demo's files to \(folder.relativePath): \(error.localizedDescription); "
                    + "choose another folder")
        }
    }

    private static func write(_ file: apus_demo_file, to folder: URL) throws {
        try data(file).write(to: folder.appending(path: String(cString: file.name)), options: .atomic)
    }

    /// The bytes belong to the program's image: they are there, unchanged, as long as it runs.
    private static func data(_ file: apus_demo_file) -> Data { Data(bytes: file.bytes, count: file.count) }
}
