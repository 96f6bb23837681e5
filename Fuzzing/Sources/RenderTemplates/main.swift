import ApusFormats
import Foundation

@testable import ApusText

/// Renders the templates of the scripts that compare with Jinja2: each line of input is `{"template": …, "variables": {…}}`,
/// and each of output its text, in parts where the template marks what the assistant says, or its error.
func answer(to line: String) -> JSONValue {
    guard let request = try? JSONValue(json: line.utf8) else { return ["error": "no request", "code": "request"] }
    do throws(TextError) {
        let template = try ChatTemplate(source: request["template"]?.string ?? "")
        let variables = request["variables"]?.object ?? [:]
        guard template.marksGenerations else { return ["output": .string(try template.render(variables))] }
        let parts = try template.renderParts(variables)
        return ["parts": .array(parts.map { ["text": .string($0.text), "generated": .bool($0.isGenerated)] })]
    } catch {
        return ["error": .string(error.description), "code": .string("\(error.code)")]
    }
}

while let line = readLine() {
    // Whoever asked waits for the line.
    FileHandle.standardOutput.write(Data((JSONWriter.compact.write(answer(to: line)) + "\n").utf8))
}
