"""Goldens for SentencePiece's vocabularies in GGUF files, by llama.cpp.

Run in this folder:  pip install gguf llama-cpp-python && python spm_golden.py
Takes the tokens of llama2/tokenizer.json, scores them by their place, and writes spm.json: with a space put before texts and
without, what llama.cpp makes of the strings of pieces.json.
"""
import json
import os
import tempfile

import gguf
import llama_cpp

HERE = os.path.dirname(os.path.abspath(__file__))


def golden(tokens, scores, types, texts, prefix):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vocabulary.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        for add, value in (
            (writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 32),
            (writer.add_feed_forward_length, 32), (writer.add_head_count, 2), (writer.add_layer_norm_rms_eps, 1e-5),
            (writer.add_tokenizer_model, "llama"), (writer.add_token_list, tokens), (writer.add_token_scores, scores),
            (writer.add_token_types, types), (writer.add_unk_token_id, 0), (writer.add_bos_token_id, 1),
            (writer.add_eos_token_id, 2), (writer.add_add_space_prefix, prefix),
        ):
            add(value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
        return [
            model.tokenize(text.encode(), add_bos=False, special=True) if text else [] for text in texts]


def main():
    file = json.load(open(os.path.join(HERE, "llama2", "tokenizer.json")))
    added = {token["id"] for token in file["added_tokens"]}
    ids = {id: token for token, id in file["model"]["vocab"].items()}
    # Without the tokens that were added behind the vocabulary; llama.cpp knows no trimming around markers.
    tokens = [ids[id] for id in range(len(ids))]
    types = [2 if id == 0 else 3 if id in added else 6 if token.startswith("<0x") else 1 for id, token in enumerate(tokens)]
    # Several of one score: the leftmost of them is merged first.
    scores = [-float(id // 3) for id in range(len(tokens))]
    texts = [text for text in json.load(open(os.path.join(HERE, "pieces.json")))["strings"] if text]
    value = {
        "tokens": tokens, "scores": scores, "types": types, "strings": texts,
        "with_prefix": golden(tokens, scores, types, texts, True),
        "without_prefix": golden(tokens, scores, types, texts, False),
    }
    with open(os.path.join(HERE, "spm.json"), "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
