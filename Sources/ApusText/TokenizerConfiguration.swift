import ApusFormats
import Foundation

/// What the files beside tokenizer.json say: which tokens have a role, and the chat template.
struct TokenizerConfiguration: Sendable {
    /// The tokens with a role, as text.
    var roles: [String: String] = [:]
    var chatTemplate: String?
    /// The template for conversations with tools, where the files have one of its own for them: "tool_use".
    var toolTemplate: String?
    /// `add_bos_token` and `add_eos_token`: whether the tokens with these roles are put around a text; false leaves it to
    /// tokenizer.json as nil does, whose word transformers 5 takes.
    var addsBOS: Bool?
    var addsEOS: Bool?
    /// `added_tokens_decoder`: tokens that tokenizer.json may lack.
    var addedTokens: [JSONValue.Member] = []

    static let roleKeys = ["bos_token", "eos_token", "pad_token", "unk_token"]

    init() {}

    /// Reads tokenizer_config.json, then special_tokens_map.json for roles the first leaves open, then
    /// chat_template.jinja, which wins over a template in tokenizer_config.json. Any of them may be absent.
    init(directory: URL) throws(TextError) {
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let file = directory.appending(path: name)
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            let value = try Self.json(Self.read(file), name: file.path)
            for key in Self.roleKeys where roles[key] == nil {
                roles[key] = value[key]?.string ?? value[key]?["content"]?.string
            }
            if chatTemplate == nil {
                chatTemplate = Self.template("default", of: value["chat_template"])
                toolTemplate = Self.template("tool_use", of: value["chat_template"])
            }
            addsBOS = addsBOS ?? value["add_bos_token"]?.bool
            addsEOS = addsEOS ?? value["add_eos_token"]?.bool
            if addedTokens.isEmpty { addedTokens = value["added_tokens_decoder"]?.members ?? [] }
        }
        if let template = try Self.text(directory.appending(path: "chat_template.jinja")) {
            // Templates of their own files are all that there are.
            chatTemplate = template
            toolTemplate = nil
        }
        if let template = try Self.text(directory.appending(path: "additional_chat_templates/tool_use.jinja")) {
            toolTemplate = template
        }
    }

    private static func text(_ file: URL) throws(TextError) -> String? {
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        return String(decoding: try read(file), as: UTF8.self)
    }

    /// Gives roles that no file names to tokens.
    mutating func complete(_ others: [String: String]) { roles.merge(others) { known, _ in known } }

    /// One of a list of named templates, or the only one, which is the default.
    private static func template(_ name: String, of value: JSONValue?) -> String? {
        if let text = value?.string { return name == "default" ? text : nil }
        return value?.array?.first { $0["name"]?.string == name }?["template"]?.string
    }

    /// The JSON of a tokenizer's file, which may be as other readers take it; `name` is what errors call it.
    static func json(_ bytes: [UInt8], name: String) throws(TextError) -> JSONValue {
        do throws(JSONReader.Failure) {
            return try JSONValue(json: bytes, isLenient: true)
        } catch {
            let message = "\(name): not valid JSON at byte \(error.offset): \(error.message); fetch the file again"
            throw TextError(code: .malformed, message: message)
        }
    }

    static func read(_ file: URL) throws(TextError) -> [UInt8] {
        do {
            return [UInt8](try Data(contentsOf: file))
        } catch {
            throw TextError(
                code: .file,
                message: "\(file.path): cannot be read; check that the folder holds the model's tokenizer files"
            )
        }
    }
}
