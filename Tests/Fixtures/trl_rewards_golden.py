"""Goldens for TRL's rewards by their registry names, computed by TRL itself on made-up completions.

Run in this folder:  pip install trl math-verify && python trl_rewards_golden.py
Writes trl_rewards.json: 240 completions for each function. `python trl_rewards_golden.py WORKER` compares the mathematical
ones, which are Python here too, with the program's own: WORKER is the folder of the package's sources.
"""

import json
import os
import random
import sys
import types

from trl.rewards import accuracy_reward, get_soft_overlong_punishment, reasoning_accuracy_reward, think_format_reward

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(7)
ANSWERS = [r"\frac{1}{3}", "0.5", r"\frac{1}{2}", "42", "-7", r"2\sqrt{3}", "x+1", r"\text{no idea}", "3,000", r"12\%", r"\pi", "(1,2)"]
PIECES = ["<think>", "</think>", "a", "\n", "<think", "think>", " ", "</think>\n", "\r", "\u2028", "<answer>", "é"]


def think():
    texts = ["".join(rng.choice(PIECES) for _ in range(rng.randint(0, 7))) for _ in range(160)]
    return texts + ["<think>" + "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6))) for _ in range(80)]


def mathematical():
    rows = []
    for _ in range(240):
        solution, answer = rng.choice(ANSWERS), rng.choice(ANSWERS)
        if rng.random() < 0.5:
            answer = solution
        wrapped = rng.choice([rf"The answer is \boxed{{{answer}}}.", f"So ${answer}$", answer, rf"\[{answer}\]", "",
                              rf"first \boxed{{1}} then \boxed{{{answer}}}"])
        reasoning = rng.choice(["<think>" + rng.choice(ANSWERS) + "</think>", "", "<think>so", "</think></think>"])
        rows.append((rng.choice([solution, f"${solution}$", rf"\boxed{{{solution}}}"]), reasoning + wrapped))
    return rows


def messages(texts):
    return [[{"role": "assistant", "content": text}] for text in texts]


def compare(folder):
    source = "".join(open(os.path.join(folder, name)).read() + "\n\n" for name in (
        "ApusPython/worker.py", "ApusRewards/reward_calls.py", "ApusRewards/math_rewards.py"))
    own = types.ModuleType("own")
    exec(compile(source, "own", "exec"), own.__dict__)
    rows = mathematical()
    for name, theirs in (("accuracy_reward", accuracy_reward), ("reasoning_accuracy_reward", reasoning_accuracy_reward)):
        extras = [{}, {}]
        given = dict(completions=messages([text for _, text in rows]), solution=[solution for solution, _ in rows])
        wanted = theirs(**given, log_extra=extras[0].__setitem__)
        found = getattr(own, name)(**given, log_extra=extras[1].__setitem__, prompts=[])
        print(name, len(wanted), "completions,", sum(a != b for a, b in zip(wanted, found)), "differences; log_extra",
              "equal" if extras[0] == extras[1] else "differs", "; scores", {x: wanted.count(x) for x in (None, 0.0, 1.0)})


def main():
    texts = think()
    lengths = [rng.randint(1, 1500) for _ in range(240)]
    overlong = get_soft_overlong_punishment(max_completion_len=1280, soft_punish_cache=256)
    golden = {
        "think_format_reward": [[text, score] for text, score in zip(texts, think_format_reward(messages(texts)))],
        "get_soft_overlong_punishment": [
            [length, score] for length, score in zip(lengths, overlong(completion_ids=[[0] * length for length in lengths]))],
    }
    with open(os.path.join(HERE, "trl_rewards.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")
    print({name: (len(rows), sum(row[1] != 0 for row in rows)) for name, rows in golden.items()})


if __name__ == "__main__":
    compare(sys.argv[1]) if len(sys.argv) > 1 else main()
