"""Compares `apus` with a file that transformers_reference.py made: token for token, and log-probability for log-probability.

usage: compare_transformers.py --apus PATH --model FILE --reference REFERENCE.json [--mean 0.02] [--worst 0.5]
    [--gap 0.25] [-- APUS OPTIONS]

Each prompt is continued greedily (`apus generate --json --raw`), and the reference's own continuation is scored (`apus score --json
--raw`), so that log-probabilities are compared on the same text even where the two continuations part. A parting is excused when
the reference's two best logits are at most `--gap` apart there and the command took the second. Exits with 1 when the prompt's
tokens differ, a parting is not excused, or the mean or the worst difference is over its limit.
Options after `--` are handed to both commands: `-- --precision f32` against the reference of fp32 weights (then --mean 1e-4 --worst
1e-3 is fair), `-- --precision bf16` against that of bf16 weights. Needs nothing but Python.
"""
import argparse
import json
import sys

import apus_command


def first_parting(ours, theirs):
    """Index of the first token that differs (or is missing on one side), or None."""
    for index, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return index
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


class Comparison:
    """What the cases have added up to so far."""

    def __init__(self, options):
        self.options = options
        self.failures, self.partings, self.differences = [], [], []
        self.same_tokens = self.all_tokens = 0

    def add(self, case):
        self.compare_log_probs(case)
        self.compare_tokens(case)

    def compare_log_probs(self, case):
        options = self.options
        prompt, tokens, log_probs = apus_command.score(
            options.apus, options.model, case["prompt_text"], case["scored_text"], options.apus_options
        )
        if self.same(case, "prompt's", prompt, case["prompt_token_ids"]) and self.same(
            case, "scored text's", tokens, case["scored_token_ids"]
        ):
            apart = [abs(a - b) for a, b in zip(log_probs, case["scored_log_probs"])]
            self.differences += apart
            print(f"{case['name']}: mean difference {sum(apart) / len(apart):.2e}, worst {max(apart):.2e}", flush=True)

    def compare_tokens(self, case):
        options, reference = self.options, case["token_ids"]
        _, ours = apus_command.generate(options.apus, options.model, case["prompt_text"], options.tokens, options.apus_options)
        parting = first_parting(ours, reference)
        self.same_tokens += len(reference) if parting is None else parting
        self.all_tokens += len(reference)
        if parting is not None:
            self.part(case, ours, parting)

    def same(self, case, what, ours, theirs):
        index = first_parting(ours, theirs)
        if index is not None:
            around = slice(max(0, index - 2), index + 3)
            self.failures.append(f"{case['name']}: the {what} tokens differ at {index}: {ours[around]}, wanted {theirs[around]}")
        return index is None

    def part(self, case, ours, index):
        name = case["name"]
        if index >= min(len(ours), len(case["two_best"])):
            self.failures.append(f"{name}: stopped after {len(ours)} tokens, wanted {len(case['token_ids'])}")
            return
        (_, best), (second, runner_up) = case["two_best"][index]
        gap = best - runner_up
        excused = ours[index] == second and gap <= self.options.gap
        line = f"{name}: parts at token {index}, where the two best logits are {gap:.4f} apart"
        self.partings.append(line)
        if not excused:
            self.failures.append(line + (f" (over {self.options.gap})" if ours[index] == second else f" and {ours[index]} is neither"))

    def finish(self):
        print(f"greedy: {self.same_tokens} of {self.all_tokens} tokens before a parting, {len(self.partings)} partings")
        for line in self.partings:
            print(f"  {line}")
        if self.differences:
            mean, worst = sum(self.differences) / len(self.differences), max(self.differences)
            print(f"log-probabilities: mean difference {mean:.2e}, worst {worst:.2e} over {len(self.differences)} tokens")
            if mean > self.options.mean:
                self.failures.append(f"mean log-probability difference is {mean:.3g}, over {self.options.mean}")
            if worst > self.options.worst:
                self.failures.append(f"worst log-probability difference is {worst:.3g}, over {self.options.worst}")
        for line in self.failures:
            print(f"FAILED {line}")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--tokens", type=int, default=64, help="the reference's own limit on new tokens")
    parser.add_argument("--mean", type=float, default=0.02)
    parser.add_argument("--worst", type=float, default=0.5)
    parser.add_argument("--gap", type=float, default=0.25)
    parser.add_argument("apus_options", nargs="*")
    comparison = Comparison(parser.parse_args())
    with open(comparison.options.reference) as file:
        reference = json.load(file)
    for case in reference["cases"]:
        comparison.add(case)
    return comparison.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except apus_command.ApusError as error:
        sys.exit(f"FAILED {error}")
