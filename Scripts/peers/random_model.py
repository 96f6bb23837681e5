"""Makes a model folder of a known shape with random weights, fast: what a model computes does not matter to how fast it does.

usage: random_model.py llama-3.1-8b|qwen2.5-1.5b|qwen2.5-0.5b|tiny FOLDER

Weights are one block of random bf16 numbers, which each tensor begins somewhere else: 16 GB are written as fast as the disk
takes them. The tokenizer has as many tokens as the model, and merges for the words of questions.json. Needs nothing but Python.
"""
import array
import json
import os
import pathlib
import random
import struct
import sys

QUESTIONS = pathlib.Path(__file__).with_name("questions.json")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
END, START = "<|im_end|>", "<|im_start|>"


def shape(kind, hidden, inner, layers, heads, key_heads, vocabulary, tied, theta, epsilon, **more):
    return {
        "architectures": [f"{kind}ForCausalLM"], "model_type": kind.lower(), "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": key_heads, "vocab_size": vocabulary, "tie_word_embeddings": tied, "rope_theta": theta,
        "rms_norm_eps": epsilon, "hidden_act": "silu", "max_position_embeddings": 8192, "torch_dtype": "bfloat16", **more,
    }


# Of config.json on Hugging Face, without the scaling of long contexts, which changes no speed.
SHAPES = {
    "llama-3.1-8b": shape("Llama", 4096, 14336, 32, 32, 8, 128256, False, 500000.0, 1e-5),
    "qwen2.5-1.5b": shape("Qwen2", 1536, 8960, 28, 12, 2, 151936, True, 1e6, 1e-6),
    "qwen2.5-0.5b": shape("Qwen2", 896, 4864, 24, 14, 2, 151936, True, 1e6, 1e-6),
    "tiny": shape("Qwen2", 64, 128, 2, 4, 2, 1024, True, 1e6, 1e-6),
}


class Block:
    """Normal numbers in bf16, which repeat after a prime number of them: rows of a matrix are not alike."""

    COUNT = 1_048_573
    COPIES = 32

    def __init__(self, deviation=0.02):
        source = random.Random(0)
        numbers = array.array("f", (source.gauss(0, deviation) for _ in range(self.COUNT)))
        if sys.byteorder == "big":
            numbers.byteswap()
        whole, halves = numbers.tobytes(), bytearray(2 * self.COUNT)
        halves[0::2], halves[1::2] = whole[2::4], whole[3::4]
        self.bytes = bytes(halves) * self.COPIES
        self.source = source

    def write(self, file, count):
        """Writes so many numbers, beginning anywhere."""
        start = 2 * self.source.randrange(self.COUNT)
        left = 2 * count
        while left > 0:
            taken = min(left, len(self.bytes) - start)
            file.write(memoryview(self.bytes)[start : start + taken])
            left, start = left - taken, 0


def tensors(config):
    """Names and shapes; a gain is told by its one dimension and its name."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    size = hidden // config["num_attention_heads"]
    narrow = size * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", [config["vocab_size"], hidden]
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        for module, outputs in [("q_proj", hidden), ("k_proj", narrow), ("v_proj", narrow), ("o_proj", hidden)]:
            yield f"{name}self_attn.{module}.weight", [outputs, hidden]
            if config["model_type"] == "qwen2" and module != "o_proj":
                yield f"{name}self_attn.{module}.bias", [outputs]
        yield name + "mlp.gate_proj.weight", [inner, hidden]
        yield name + "mlp.up_proj.weight", [inner, hidden]
        yield name + "mlp.down_proj.weight", [hidden, inner]
        yield name + "input_layernorm.weight", [hidden]
        yield name + "post_attention_layernorm.weight", [hidden]
    yield "model.norm.weight", [hidden]
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", [config["vocab_size"], hidden]


def product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def write_weights(config, path):
    header, offset = {}, 0
    wanted = list(tensors(config))
    for name, dimensions in wanted:
        end = offset + 2 * product(dimensions)
        header[name] = {"dtype": "BF16", "shape": dimensions, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = Block()
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, dimensions in wanted:
            if name.endswith("norm.weight"):
                file.write(b"\x80\x3f" * product(dimensions))
            else:
                block.write(file, product(dimensions))
    return offset


def byte_symbols():
    """The characters that byte-level tokenizers write bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def write_tokenizer(config, folder):
    """Byte-level BPE: bytes, the beginnings of the questions' words, then texts that nothing is ever split into."""
    symbols = byte_symbols()
    tokens, merges = list(symbols.values()), []
    words = " ".join(json.loads(QUESTIONS.read_text(encoding="utf-8"))).split()
    for word in dict.fromkeys(words):
        start = symbols[32]
        for character in word.encode():
            pair = (start, symbols[character])
            start += symbols[character]
            if start not in tokens and len(tokens) < config["vocab_size"] // 2:
                tokens.append(start)
                merges.append(" ".join(pair))
    special = [START, END]
    while len(tokens) < config["vocab_size"] - len(special):
        # Some hold the letter that `apus bench grpo` rewards: groups of equal rewards would be skipped.
        tokens.append(f"~{len(tokens)}" + "e" * (len(tokens) % 4))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    added = [
        {"id": len(tokens) + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, token in enumerate(special)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocabulary, "merges": merges},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": END, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return len(tokens) + 1


def make(name, folder):
    """Makes the folder; returns the bytes of its weights."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = SHAPES[name]
    end = write_tokenizer(config, folder)
    settings = {**config, "bos_token_id": end, "eos_token_id": end}
    (folder / "config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return write_weights(config, folder / "model.safetensors")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit(__doc__)
    print(f"{make(sys.argv[1], sys.argv[2]) / 1e9:.2f} GB of weights in {os.path.abspath(sys.argv[2])}")
