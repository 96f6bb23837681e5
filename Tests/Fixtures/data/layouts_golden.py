"""What `datasets` makes of folders of files and of splits with slices: `python layouts_golden.py` writes layouts.json.

Needs datasets (5.2 made the file that is committed).
"""

import itertools
import json
import os
import pathlib
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
from datasets import ReadInstruction

ROW = '{"q": "x"}\n'

CARDS = {
    "gsm8k": """---
language: [en]
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
- config_name: socratic
  data_files:
  - split: train
    path: socratic/train-*
---
text
""",
    "default of two": """---
configs:
- config_name: en
  data_files: en/*.jsonl
- config_name: de
  data_files: [de/a.jsonl, de/c.jsonl]
  default: true
---
""",
    "folders": """---
configs:
- config_name: small
  data_dir: small
- config_name: default
  data_dir: large
  data_files:
  - split: train
    path: ["*.jsonl"]
---
""",
    "recursive": """---
configs:
- config_name: all
  data_files:
  - split: train
    path: "**/part[0-1].jsonl"
  - split: validation
    path: "b/**"
---
""",
    "no files": "---\nlicense: mit\n---\n",
    "no header": "# A data set\n",
}

FOLDERS = [
    (None, ["train.jsonl", "test.jsonl"]),
    (None, ["my_data.jsonl"]),
    (None, ["a.jsonl", "b/c.jsonl"]),
    (None, ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/extra-00000-of-00001-0af3.jsonl"]),
    (None, ["train/a.jsonl", "train/b.jsonl", "valid/c.jsonl"]),
    (None, ["gsm-train.jsonl", "gsm_dev.jsonl", "gsm.eval.jsonl", "trainer.jsonl"]),
    (None, ["training1.jsonl", "val 2.jsonl"]),
    (None, ["x/my-test/a.jsonl", "x/other/b.jsonl"]),
    (None, ["train.jsonl", ".hidden.jsonl", "__pycache__/b.jsonl", "config.json", "dataset_infos.json"]),
    (None, ["train.json", "train.csv", "test.csv", "train2.csv"]),
    (None, ["train.csv", "train.tsv"]),
    (None, ["contest.jsonl", "retrain.jsonl"]),
    ("gsm8k", ["main/train-00000-of-00001.jsonl", "main/test-00000-of-00001.jsonl", "socratic/train-00000-of-00001.jsonl"]),
    ("default of two", ["en/a.jsonl", "en/b.jsonl", "de/a.jsonl", "de/b.jsonl", "de/c.jsonl"]),
    ("folders", ["small/train.jsonl", "small/test.jsonl", "large/a.jsonl", "large/b.jsonl"]),
    ("recursive", ["a/part0.jsonl", "a/part2.jsonl", "b/c/part1.jsonl", "b/part5.jsonl"]),
    ("no files", ["train.jsonl"]),
    ("no header", ["test.jsonl"]),
]


def text_of(name):
    if name.endswith(".json"):
        return "{}"
    return "q\nx\n" if name.endswith((".csv", ".tsv")) else ROW


def layout(card, names):
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(name))
        if card:
            pathlib.Path(folder, "README.md").write_text(CARDS[card])
        found = []
        for config in datasets.get_dataset_config_names(folder):
            builder = datasets.load_dataset_builder(folder, config)
            splits = {
                str(split): sorted(os.path.relpath(path, folder) for path in files)
                for split, files in builder.config.data_files.items()
            }
            found.append({"name": config, "splits": splits})
        default = datasets.get_dataset_default_config_name(folder)
        return {"card": CARDS.get(card), "files": names, "configurations": found, "default": default}


def slices():
    bounds = ["", "0", "3", "-2", "7", "-20", "100"]
    shares = ["", "0%", "10%", "15%", "50%", "-25%", "33%", "-100%", "100%"]
    for a, b in itertools.chain(itertools.product(bounds, bounds), itertools.product(shares, shares)):
        for count in (1, 7, 10, 250):
            spec = f"train[{a}:{b}]"
            instruction = ReadInstruction.from_spec(spec).to_absolute({"train": count})[0]
            yield {"spec": spec, "count": count, "range": [instruction.from_ or 0, count if instruction.to is None else instruction.to]}


def main():
    golden = {"layouts": [layout(*folder) for folder in FOLDERS], "slices": list(slices())}
    path = pathlib.Path(__file__).with_name("layouts.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
