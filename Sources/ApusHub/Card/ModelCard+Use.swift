extension ModelCard {
    /// How it is used.
    var use: String {
        let base = base?.id ?? "BASE_MODEL"
        let blocks: [String]
        switch kind {
        case .adapter(let rank):
            let rules = [8, 16, 32, 64, 128, 256, 320, 512].first { $0 >= rank ?? 16 }
            let limit = rules.map { " --max-lora-rank \($0)" } ?? ""
            let tokenizer = hasTokenizer ? name.id : base
            blocks = [
                Markdown.block(
                    "python",
                    """
                    from peft import AutoPeftModelForCausalLM
                    from transformers import AutoTokenizer

                    model = AutoPeftModelForCausalLM.from_pretrained("\(name.id)"\(revision))
                    tokenizer = AutoTokenizer.from_pretrained("\(tokenizer)"\(hasTokenizer ? revision : ""))
                    """),
                Markdown.block(
                    "sh",
                    """
                    vllm serve \(base) --enable-lora\(limit) --lora-modules \(shortName)=\(name.id)
                    apus generate --model \(base) --adapter \(reference) --prompt "..."
                    """),
            ]
        case .model:
            blocks = [
                Markdown.block(
                    "python",
                    """
                    from transformers import pipeline

                    generate = pipeline("text-generation", model="\(name.id)"\(revision))
                    """),
                Markdown.block(
                    "sh", "vllm serve \(name.id)\napus generate --model \(reference) --prompt \"...\""),
            ]
        case .gguf:
            blocks = [
                Markdown.block("sh", "llama-cli -hf \(name.id)\napus generate --model \(reference) --prompt \"...\"")
            ]
        }
        return (["## Use"] + blocks).joined(separator: "\n\n")
    }

    private var revision: String { branch.map { ", revision=\"\($0)\"" } ?? "" }
    private var reference: String { name.id + (branch.map { "@\($0)" } ?? "") }
    private var shortName: String { name.id.split(separator: "/").last.map(String.init) ?? name.id }
}
