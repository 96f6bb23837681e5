"""Log-probabilities of models under every precision of `apus`, against transformers on the values that each file holds.

usage: compare_precisions.py --apus PATH [--precisions int8,nf4,bf16] [--prompts gsm8k,arithmetic,story] [--tokens 128] [--json FILE]
           [--limits int8=0.01,…] MODEL…

A MODEL is a GGUF file or a Hugging Face folder. transformers decodes its weights to fp32 and computes in fp32: what is compared is
how `apus` holds and multiplies those values, not what the file's own rounding had cost. `apus generate --precision f32` samples a
completion of each prompt at temperature 1 from a fixed seed, as GRPO does; transformers scores it, and `apus score --precision P`
scores the same text. Prints a table: mean and worst absolute difference of a token's log-probability. `--limits` makes a mean
over its limit a failure.
Needs torch, transformers and, for GGUF, gguf.
"""
import argparse
import json
import os
import sys

import apus_command
import transformers_reference


def references(options, path):
    """For each prompt its name, text and tokens, the completion's text and tokens, and transformers' log-probabilities."""
    tokenizer, model = transformers_reference.load(path, rounded=False, compute="float32")
    for number, name in enumerate(options.prompts.split(",")):
        text = tokenizer.apply_chat_template(transformers_reference.PROMPTS[name], tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        wanted = ["--raw", f"--prompt={text}", "--precision", "f32", "--seed", str(number), "--max-new-tokens", str(options.tokens)]
        completion = apus_command.run(options.apus, "generate", path, wanted)["text"]
        # Sampled tokens need not be the tokens of their own text, and the scorer is given text.
        tokens = tokenizer(completion, add_special_tokens=False)["input_ids"]
        yield name, text, prompt, completion, tokens, transformers_reference.score(model, prompt, tokens)


def differences(options, path, precision, cases):
    """Absolute differences of all tokens of all cases."""
    apart = []
    for name, text, prompt, completion, tokens, log_probs in cases:
        found = apus_command.score(options.apus, path, text, completion, ["--precision", precision])
        if found[0] != prompt or found[1] != tokens:
            raise apus_command.ApusError(f"{path}, {name}: tokenised unlike transformers")
        apart += [abs(a - b) for a, b in zip(found[2], log_probs)]
    return apart


def table(rows, precisions):
    head = ["file", "tokens"] + [f"{precision}, mean (worst)" for precision in precisions]
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    for row in rows:
        figures = [f"{row[p]['mean']:.2g} ({row[p]['worst']:.2g})" for p in precisions]
        lines.append(" | ".join([row["file"], str(row["tokens"]), *figures]))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--apus", required=True)
    parser.add_argument("--precisions", default="int8,nf4,bf16")
    parser.add_argument("--prompts", default="gsm8k,arithmetic,story")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--json", help="write the figures here too")
    parser.add_argument("--limits", default="", help="such as int8=0.01,bf16=0.05: the largest mean that is no failure")
    options = parser.parse_args()
    precisions = options.precisions.split(",")
    limits = {name: float(limit) for name, limit in (item.split("=") for item in options.limits.split(",") if item)}
    rows, failures = [], []
    for path in options.models:
        cases = list(references(options, path))
        row = {"file": os.path.basename(os.path.normpath(path)), "tokens": sum(len(case[4]) for case in cases)}
        for precision in precisions:
            apart = differences(options, path, precision, cases)
            row[precision] = {"mean": sum(apart) / len(apart), "worst": max(apart)}
            if row[precision]["mean"] > limits.get(precision, float("inf")):
                failures.append(f"{row['file']}, {precision}: mean {row[precision]['mean']:.3g}, over {limits[precision]}")
        print(json.dumps(row), flush=True)
        rows.append(row)
    print(table(rows, precisions))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)
    for line in failures:
        print(f"FAILED {line}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except apus_command.ApusError as error:
        sys.exit(f"FAILED {error}")
