import Apus
import ArgumentParser

/// `apus tokenize`: what a model sees of a text.
struct TokenizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Show the tokens that a model sees of a text, or the text of tokens.",
        discussion: """
            The text goes through the chat template, as `apus generate` and training send it, or with --raw as it is. Each \
            token is shown with its id, its bytes and its text; special tokens are marked. Loads no weights.

              apus tokenize models/model.gguf --prompt "What is 2 + 2?"
              apus tokenize models/Qwen3-0.6B --raw --file notes.txt --json
              apus tokenize models/model.gguf --decode "1, 2683, 198"

            --json prints one object with text, token_ids and tokens (id, piece as the vocabulary spells it, text, bytes \
            in hexadecimal digits, special).
            """)

    @Argument(help: "A model folder in Hugging Face's layout, or a GGUF file.")
    var model: String

    @Option(help: "The user's message, or with --raw the text as it is.")
    var prompt: String?

    @Option(help: "A file that holds the text instead, in UTF-8.")
    var file: String?

    @OptionGroup var format: PromptFormat

    @Option(help: ArgumentHelp("Token ids with commas or spaces between, to be shown as text.", valueName: "ids"))
    var decode: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard [prompt, file, decode].filter({ $0 != nil }).count == 1 else {
            throw ValidationError("wanted one of --prompt, --file and --decode")
        }
        if decode != nil, format.raw || format.system != nil || !format.template.chatTemplateKwargs.isEmpty {
            throw ValidationError("--decode takes tokens; --raw, --system and --chat-template-kwargs belong to a text")
        }
    }

    func run() async throws {
        let path = try await ModelLoading.path(of: model)
        let tokenizer = try failing(as: .badInput) { try LanguageModel.tokenizer(path: path) }
        for remark in tokenizer.remarks { Terminal.complain(remark) }
        let listing = TokenListing(try tokens(for: tokenizer), tokenizer)
        if json { return Terminal.printLine(try JSONLine.encode(listing)) }
        if decode != nil { return Terminal.printLine(listing.text) }
        Terminal.printLine(listing.summary(template: !format.raw))
        if Terminal.showsColor { listing.coloredLines.forEach { Terminal.printLine($0) } }
        Terminal.printLine(try listing.table().description)
    }

    private func tokens(for tokenizer: Tokenizer) throws -> [Int32] {
        if let decode { return try ids(decode, of: tokenizer) }
        let text = try prompt ?? InputFile.text(file ?? "", of: "text")
        format.warn(of: [SourcedPrompt(text: text, place: prompt == nil ? "--file" : "--prompt")], tokenizer)
        return try format.tokens(of: text, for: tokenizer)
    }

    private func ids(_ list: String, of tokenizer: Tokenizer) throws -> [Int32] {
        try list.split(whereSeparator: { ", []\n\t".contains($0) }).map { word in
            guard let id = Int32(word), tokenizer.token(id) != nil else {
                throw CommandFailure(
                    .badInput,
                    "--decode: wanted ids from 0 to \(tokenizer.vocabularySize - 1) that the tokenizer has, found '\(word)'"
                )
            }
            return id
        }
    }
}
