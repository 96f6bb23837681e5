"""Goldens for data.py: what `datasets` makes of small data in the columns of published recipes.

Run in this folder:  pip install datasets transformers && python recipes_golden.py
Writes NAME.jsonl for each recipe that reads a file, and golden.json with the rows that `map` and `filter` gave.
"""

import json
import os

import data
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "text")
with open(os.path.join(TEXT, "templates", "qwen2.5.jinja")) as template:
    TOKENIZER = PreTrainedTokenizerFast(
        tokenizer_file=os.path.join(TEXT, "qwen2", "tokenizer.json"), chat_template=template.read())
RECIPES = {  # name: rows of the file, map, filter
    "tutorial": ([{"question": f"Tom has {n} apples and buys 3. How many?", "answer": f"{n}+3=<<{n}+3={n + 3}>>{n + 3}\n#### {n + 3}"}
                  for n in range(1, 9)], data.tutorial, None),
    "numina": ([{"problem": f"Find $x$ with $x+{n}=9$.", "solution": f"\\boxed{{{9 - n}}}", "messages": [{"role": "user", "content": "old"}]}
                for n in range(5)], data.numina, None),
    "dapo": ([{"prompt": [{"content": f"Solve.\n\nWhat is {n} squared?", "role": "user"}], "ability": "MATH",
               "reward_model": {"ground_truth": str(n * n) if n % 3 else f"{n}/7", "style": "rule"}, "extra_info": {"index": n, "score": n / 4}}
              for n in range(6)], data.dapo, None),
    "dapo_length": ([{"prompt": [{"content": "Solve.\n\n" + "1+" * n + "1?", "role": "user"}],
                      "reward_model": {"ground_truth": str(n + 1), "style": "rule"}} for n in range(0, 60, 6)], data.dapo_length, data.is_short),
    "countdown": ([{"target": 10 + n, "nums": [n, 3, 7][: 2 + n % 2]} for n in range(6)], data.countdown, None),
    "summary": ([{"subreddit": "é" * n, "post": f" line {n}\nand more ", "ref": None if n == 2 else "short"} for n in range(4)], data.summary, None),
    "choices": ([{"question": "Which?", "choices": ["a", "b", "c"][: 2 + n % 2], "label": n % 2} for n in range(5)], data.choices, None),
    "code": ([{"text": f"Task {n}", "tests": [f"assert f({n}) == {n * 2**70}"] * (n % 3), "difficulty": n} for n in range(9)], data.code, data.is_easy),
}


def called(function):
    return (lambda row: function(row, tokenizer=TOKENIZER)) if "tokenizer" in function.__code__.co_varnames else function


def main():
    golden = {}
    for name, (rows, change, keep) in RECIPES.items():
        with open(os.path.join(HERE, name + ".jsonl"), "w") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        made = []
        for row in rows:  # Row by row: Arrow would refuse what differs in type from row to row.
            one = Dataset.from_list([row]).map(called(change), load_from_cache_file=False) if name not in ("code",) else None
            made += one.to_list() if one is not None else [{**row, **change(row)}]
        golden[name] = [row for row in made if keep is None or keep(row)]
    golden["boards"] = Dataset.from_generator(data.boards).to_list()
    golden["constant"] = Dataset.from_list(data.constant()).to_list()
    with open(os.path.join(HERE, "golden.json"), "w") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print({name: len(rows) for name, rows in golden.items()})


if __name__ == "__main__":
    main()
