import ApusFormats
import Foundation

@testable import ApusText

/// Renders the templates of the scripts that compare with Jinja2: each line of input is `{"template": …, "variables": {…}}`,
/// and each of output its text, and its parts where the template marks what the assistant says, or its error.
func answer(to line: String) -> JSONValue {
    guard let request = try? JSONValue(json: line.utf8) else { return ["error": "no request", "code": "request"] }
    do throws(TextError) {
        let template = try ChatTemplate(source: request["template"]?.string ?? "")
        let variables = request["variables"]?.object ?? [:]
        let output = JSONValue.string(try template.render(variables))
        guard template.marksGenerations, let parts = try? template.renderParts(variables) else {
            return ["output": output]
        }
        let marked = parts.map { ["text": .string($0.text), "generated": .bool($0.isGenerated)] as JSONValue }
        return ["output": output, "parts": .array(marked)]
    } catch {
        return ["error": .string(error.description), "code": .string("\(error.code)")]
    }
}

while let line = readLine() {
    // Whoever asked waits for the line.
    FileHandle.standardOutput.write(Data((JSONWriter.compact.write(answer(to: line)) + "\n").utf8))
}
