"""Goldens for texts that end a completion: transformers' greedy `generate(stop_strings=...)` on the demo's model.

Run in this folder:  pip install torch transformers && python stop_golden.py
Writes stop.json: 50 prompts, each with its stop texts and the tokens that were generated.
"""

import json
import os
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "base96-slips")
STOPS = [["</reasoning>"], ["answer>\n"], ["is "], ["=", "+"], ["soning>\n", "zzz"], ["\n<an"], ["2"], ["nowhere"], ["er>\n6", "er>\n3"]]


def main():
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    rng = random.Random(3)
    rows = []
    for index in range(50):
        question = f"Tom has {rng.randint(2, 60)} apples and buys {rng.randint(2, 40)} more. How many?"
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=True, return_tensors="pt")
        stop = STOPS[index % len(STOPS)]
        output = model.generate(
            **prompt, do_sample=False, max_new_tokens=40, stop_strings=stop, tokenizer=tokenizer)
        start = prompt["input_ids"].shape[1]
        rows.append({"prompt": prompt["input_ids"][0].tolist(), "stop": stop, "tokens": output[0, start:].tolist(),
                     "text": tokenizer.decode(output[0, start:], skip_special_tokens=True)})
    with open(os.path.join(HERE, "stop.json"), "w") as file:
        json.dump(rows, file, separators=(",", ":"))
        file.write("\n")
    for row in rows[:9]:
        print(row["stop"], repr(row["text"]), len(row["tokens"]))


if __name__ == "__main__":
    main()
