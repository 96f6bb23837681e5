"""Times Apus and Hugging Face's tokenizers in turn: opening a tokenizer, and 4 MB of mixed text to tokens.

    VENV/bin/pip install tokenizers
    VENV/bin/python Scripts/compare_tokenizers.py .build/release/apus FOLDER …

A FOLDER holds a tokenizer.json. `--unigram` adds one of 256,000 pieces that are made up.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer  # noqa: E402

SAMPLES = [
    "The quick brown fox doesn't jump over 13 lazy dogs; it'll rest until 10:45 p.m.\n", "for (int i = 0; i < 1024; ++i) {\n\t\tsum += x[i];  // add\n}\n",
    "Größere Änderungen müssen überprüft werden, außer wenn's eilt.\n", "敏捷的棕色狐狸跳过了懒狗，价格是１２３元。\n", "Быстрая коричневая лиса прыгает.\n",
    "भूरी लोमड़ी आलसी कुत्ते के ऊपर से कूदती है।\n", "الثعلب البني السريع يقفز فوق الكلب.\n", "素早い茶色の狐👩‍👩‍👧 ✨\n", '{"name": "value", "list": [1, 2.5, -3e10]}\r\n',
]  # fmt: skip


def text():
    """4 MB in which no stretch comes twice, as far as words go: of a repeated text a cache would know all."""
    r = random.Random(7)
    words = [word for sample in SAMPLES for word in sample.replace("\n", "\n ").split(" ")]
    parts, size = [], 0
    while size < 4_000_000:
        word = r.choice(words) if r.random() < 0.7 else "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 9)))
        parts.append(word)
        size += len(word.encode()) + 1
    return " ".join(parts)


def unigram(folder):
    r = random.Random(3)
    pieces = {"<unk>": 0.0, "▁": -3.0, **{chr(code): -9.0 for code in range(33, 1500)}}
    while len(pieces) < 256_000:
        pieces[r.choice(["▁", ""]) + "".join(r.choice("etaoinshrdlucmfwypvbgkjqxz") for _ in range(r.randint(2, 9)))] = -r.uniform(5, 15)
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "NFKC"},
                 "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, "post_processor": None,
                 "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
                 "model": {"type": "Unigram", "unk_id": 0, "vocab": list(map(list, pieces.items())), "byte_fallback": False}}  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def theirs(folder, words):
    begin = time.perf_counter()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    opened = time.perf_counter()
    ids = tokenizer.encode(words, add_special_tokens=False).ids
    return opened - begin, time.perf_counter() - opened, len(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apus")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--unigram", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        file, made = Path(temporary, "text.txt"), Path(temporary, "unigram")
        file.write_bytes(text().encode())
        made.mkdir()
        if options.unigram:
            unigram(made)
        for folder in [*options.folders, *([made] if options.unigram else [])]:
            ours, peers = [], []
            for _ in range(options.runs):
                command = [options.apus, "bench", "tokenize", "--model", folder, "--file", file, "--steps", "1", "--json"]
                result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                ours.append((result["open_seconds"], result["tokenize_seconds"], result["text_tokens"]))
                peers.append(theirs(folder, file.read_bytes().decode()))
            assert ours[0][2] == peers[0][2], (ours[0], peers[0])
            median = [[statistics.median(row[k] for row in rows) for k in (0, 1)] for rows in (ours, peers)]
            print(f"{folder.name:24} open {median[0][0]:.3f} | {median[1][0]:.3f} s, 4 MB {median[0][1]:.3f} | {median[1][1]:.3f} s (apus | tokenizers), {ours[0][2]} tokens", flush=True)


if __name__ == "__main__":
    main()
