"""Goldens for `tokenizer.ggml.pre`, by llama.cpp.

Run in this folder:  pip install gguf llama-cpp-python && python gguf_pre_golden.py
Takes the vocabulary of gpt2/tokenizer.json and writes gguf_pre.json: what llama.cpp makes of nasty texts under each name.
"""
import json
import os
import tempfile

import gguf
import llama_cpp
from text_golden import HERE, STRINGS

# One name of each way that llama.cpp does not approximate; none is `default` with a warning.
NAMES = [
    None, "default", "gpt-2", "smollm", "qwen2", "stablelm2", "llama-bpe", "dbrx", "qwen35", "deepseek-v3", "deepseek-coder",
    "falcon", "bloom", "viking", "seed-coder", "laguna", "minicpm5", "ufakzeka", "deepseek-llm", "bailingmoe", "gpt-4o", "tekken",
    "kimi-k2",
]


def encodings(file, name, texts):
    ids = {id: token for token, id in file["model"]["vocab"].items()}
    tokens = [ids[id] for id in range(len(ids))]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vocabulary.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        for add, value in (
            (writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 32),
            (writer.add_feed_forward_length, 32), (writer.add_head_count, 2), (writer.add_layer_norm_rms_eps, 1e-5),
            (writer.add_tokenizer_model, "gpt2"), (writer.add_token_list, tokens), (writer.add_token_types, [1] * len(tokens)),
            (writer.add_token_merges, [" ".join(merge) for merge in file["model"]["merges"]]), (writer.add_bos_token_id, 0),
            (writer.add_eos_token_id, 0),
        ):
            add(value)
        if name:
            writer.add_tokenizer_pre(name)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
        return [model.tokenize(text.encode(), add_bos=False, special=True) for text in texts]


def main():
    file = json.load(open(os.path.join(HERE, "gpt2", "tokenizer.json"), encoding="utf-8"))
    texts = [text for text in STRINGS if text and len(text) <= 40]
    value = {"strings": texts, "encode": {name or "": encodings(file, name, texts) for name in NAMES}}
    with open(os.path.join(HERE, "gguf_pre.json"), "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
