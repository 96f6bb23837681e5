"""The data steps of published GRPO recipes, each from its description, in the form that `datasets` calls them."""

import random
import re

SYSTEM = "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>"


def tutorial(row):
    """GSM8K by the tutorial: the answer after the hashes."""
    return {
        "prompt": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["question"]}],
        "answer": row["answer"].split("####")[1].strip() if "####" in row["answer"] else None,
    }


def numina(row):
    """NuminaMath: problem and worked solution."""
    return {"prompt": [{"role": "system", "content": "Think, then answer in \\boxed{}."},
                       {"role": "user", "content": row["problem"]}]}


def dapo(row):
    """DAPO-Math: the question inside its first message, the solution inside an object."""
    return {
        "prompt": [{"role": "user", "content": row["prompt"][0]["content"].split("\n\n", 1)[-1]}],
        "solution": row["reward_model"]["ground_truth"],
        "is_integer": re.fullmatch(r"-?\d+", row["reward_model"]["ground_truth"]) is not None,
    }


def dapo_length(row, tokenizer):
    """DAPO-Math with its length in tokens, for a quantile."""
    row = dapo(row)
    text = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
    row["length"] = len(tokenizer.encode(text))
    return row


def is_short(row):
    return row["length"] <= 100


def countdown(row, tokenizer):
    """Countdown: an assistant's turn to continue, as text."""
    messages = [
        {"role": "user", "content": f"Using the numbers {row['nums']}, make {row['target']}."},
        {"role": "assistant", "content": "Let me solve this step by step.\n<think>"},
    ]
    return {"prompt": tokenizer.apply_chat_template(messages, tokenize=False, continue_final_message=True),
            "target": row["target"], "nums": row["nums"]}


def summary(row):
    """TL;DR: plain text to continue; the reference stays beside it."""
    return {"prompt": f"SUBREDDIT: r/{row['subreddit']}\nPOST: {row['post'].strip()}\nTL;DR:", "words": len(row["post"].split())}


def choices(row):
    """Multiple choice: the letter of the label."""
    lines = [f"{chr(65 + index)}. {text}" for index, text in enumerate(row["choices"])]
    return {"prompt": [{"role": "user", "content": "\n".join([row["question"]] + lines)}], "answer": chr(65 + row["label"])}


def code(row):
    """Programs: the tests as they are, and a hint in half of the rows."""
    if row["difficulty"] > 3:
        return {"prompt": [{"role": "user", "content": row["text"] + "\nMind large inputs."}], "hint": {"large": True, "limit": 10**30}}
    return {"prompt": [{"role": "user", "content": row["text"]}], "hint": {"large": False, "limit": 0}}


def is_easy(row):
    return row["difficulty"] < 6 and len(row["tests"]) > 0


def boards():
    """Boards that are made up: no file at all."""
    rng = random.Random(2048)
    for index in range(300):
        board = [[rng.choice([0, 0, 2, 4]) for _ in range(4)] for _ in range(4)]
        yield {"prompt": [{"role": "user", "content": "Next move?\n" + "\n".join(map(str, board))}], "board": board, "seed": index}


def constant():
    """One prompt many times."""
    return [{"prompt": [{"role": "user", "content": "Write a short fast matrix multiplication."}], "answer": 0}] * 5
