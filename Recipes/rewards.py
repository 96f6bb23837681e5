"""The Unsloth GRPO tutorial's five reward functions, as they stand in it.

A reward function gets lists with one entry for each completion and returns a list of as many numbers; None says that it does
not apply. `answer` is a column of the data set: every column arrives under its name. docs/rewards.md has the rest.
"""

import re


# 1. Is the answer, to the letter, the reference?
def correctness_reward_func(prompts, completions, answer, **kwargs):
    responses = [c[0]["content"] for c in completions]
    extracted = [r.split("<answer>")[-1].split("</answer>")[0].strip() if "<answer>" in r else "" for r in responses]
    return [2.0 if e == a else 0.0 for e, a in zip(extracted, answer)]


# 2. Is the answer a whole number?
def int_reward_func(completions, **kwargs):
    responses = [c[0]["content"] for c in completions]
    extracted = [r.split("<answer>")[-1].split("</answer>")[0].strip() if "<answer>" in r else "" for r in responses]
    return [0.5 if e.isdigit() else 0.0 for e in extracted]


# 3. Are the tags there, in order?
def soft_format_reward_func(completions, **kwargs):
    pattern = r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>"
    responses = [c[0]["content"] for c in completions]
    return [0.5 if re.search(pattern, r) else 0.0 for r in responses]


# 4. How many of the tags occur once?
def xmlcount_reward_func(completions, **kwargs):
    responses = [c[0]["content"] for c in completions]
    scores = []
    for r in responses:
        score = 0.0
        if r.count("<reasoning>") == 1:
            score += 0.25
        if r.count("</reasoning>") == 1:
            score += 0.25
        if r.count("<answer>") == 1:
            score += 0.25
        if r.count("</answer>") == 1:
            score += 0.25
        scores.append(score)
    return scores


# 5. Does every tag have a line of its own?
def strict_format_reward_func(completions, **kwargs):
    pattern = r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$"
    responses = [c[0]["content"] for c in completions]
    return [0.5 if re.match(pattern, r) else 0.0 for r in responses]
