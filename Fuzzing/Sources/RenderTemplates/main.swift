import ApusFormats
import ApusText
import Foundation

/// Renders the templates of a difference fuzzer: each line of input is `{"template": …, "variables": {…}}`, and each of
/// output its text or its error.
func answer(to line: String) -> JSONValue {
    guard let request = try? JSONValue(json: line.utf8) else { return ["error": "no request", "code": "request"] }
    do throws(TextError) {
        let template = try ChatTemplate(source: request["template"]?.string ?? "")
        return ["output": .string(try template.render(request["variables"]?.object ?? [:]))]
    } catch {
        return ["error": .string(error.description), "code": .string("\(error.code)")]
    }
}

while let line = readLine() {
    // Whoever asked waits for the line.
    FileHandle.standardOutput.write(Data((JSONWriter.compact.write(answer(to: line)) + "\n").utf8))
}
