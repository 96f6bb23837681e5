"""Goldens for `tokenizer.model`, by sentencepiece.

Run in this folder:  pip install sentencepiece && python sentencepiece_golden.py
Writes sentencepiece.json: small models in base64 (kept where the file has them), and what the library makes of nasty texts.
Given a folder, writes models with SentencePiece's own large tables of replacements there, for RealVocabularyTests.
"""
import base64
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece
from text_golden import CORPUS, HERE, STRINGS

PATH = os.path.join(HERE, "sentencepiece.json")
LINES = [line for text in CORPUS for line in text.splitlines()]
KINDS = {
    "bpe": dict(model_type="bpe", byte_fallback=True, vocab_size=520, normalization_rule_name="identity", remove_extra_whitespaces=False),
    "bpe-symbols": dict(
        model_type="bpe", byte_fallback=True, vocab_size=540, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, user_defined_symbols=["\u2581\u2581", "\u2581\u2581\u2581\u2581", "<mark>", "fox"], control_symbols=["<turn>"]),
    "bpe-unknown": dict(model_type="bpe", vocab_size=300, normalization_rule_name="identity"),
    "unigram": dict(model_type="unigram", vocab_size=240, normalization_rule_name="identity", hard_vocab_limit=False),
    "unigram-bytes": dict(
        model_type="unigram", vocab_size=480, byte_fallback=True, hard_vocab_limit=False, remove_extra_whitespaces=False,
        user_defined_symbols=["<mark>", "dog"]),
}
RULES = {"ﬁ": "fi", "Ａ": "A", "①": "1", "\u3000": " ", "\t": " ", "\n": " ", "e\u0301": "\u00e9", "e": "E", "👍": "+", "👍🏽": "++", "½": "1/2"}


def train(options, rules=None):
    with tempfile.TemporaryDirectory() as folder:
        if rules:
            options = {key: value for key, value in options.items() if key != "normalization_rule_name"}
            options["normalization_rule_tsv"] = os.path.join(folder, "rules.tsv")
            with open(options["normalization_rule_tsv"], "w", encoding="utf-8") as file:
                for old, new in rules.items():
                    file.write("\t".join(" ".join(f"{ord(c):X}" for c in text) for text in (old, new)) + "\n")
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES), model_writer=out, character_coverage=0.985, minloglevel=2, **options)
        return out.getvalue()


def texts(count):
    rng = random.Random(23)
    alphabet = list("abcxyz   \t\n\r'sStT0123½.,!?<>éüqſ你世好안🎉\u0301\u00a0_-\u200d\u3000\ue000Ａ①\x85\u2028") + [
        "<mark>", "fox", "dog", "ﬁ", "👍🏽", "e\u0301", "\r\n", "    ", "  ", "\u2581", "the", "ing "]
    markers = ("<|", "<s>", "</s>", "<unk>", "<turn>")
    short = [text for text in STRINGS if len(text) <= 30]
    return [t for t in short + ["".join(rng.choices(alphabet, k=rng.randint(1, 16))) for _ in range(count)] if not any(m in t for m in markers)]


def results(model, strings):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = processor.encode(strings)
    # Broken bytes and superfluous spaces come back as `tokenizers` has them; texts that were encoded are the same for both.
    sequences = [s for s in ids if processor.unk_id() not in s]
    return {"encode": ids, "sequences": sequences, "decode": [processor.decode(s) for s in sequences]}


def main():
    old = json.load(open(PATH, encoding="utf-8"))["models"] if os.path.exists(PATH) else {}
    strings = texts(120)
    models = {}
    for name, options in KINDS.items():
        known = old.get(name, {}).get("model")
        model = base64.b64decode(known) if known else train(options, RULES if name == "unigram-bytes" else None)
        models[name] = {"model": base64.b64encode(model).decode(), **results(model, strings)}
    with open(PATH, "w", encoding="utf-8") as file:
        json.dump({"strings": strings, "models": models}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def large(folder):
    for rule in ("nmt_nfkc", "nmt_nfkc_cf", "nfkc"):
        for kind in ("unigram", "bpe"):
            model = train({**KINDS["unigram"], "model_type": kind, "vocab_size": 200, "normalization_rule_name": rule})
            target = os.path.join(folder, f"{rule}-{kind}")
            os.makedirs(target, exist_ok=True)
            with open(os.path.join(target, "tokenizer.model"), "wb") as file:
                file.write(model)
            strings = texts(3000)
            with open(os.path.join(target, "golden.json"), "w", encoding="utf-8") as file:
                json.dump({"strings": strings, **results(model, strings)}, file, ensure_ascii=False)


if __name__ == "__main__":
    large(sys.argv[1]) if len(sys.argv) > 1 else main()
