"""Greedy continuations of eight chat prompts by Hugging Face transformers: the reference that compare_transformers.py reads.

usage: transformers_reference.py MODEL OUT.json [--weights bf16|fp32] [--compute float32|bfloat16] [--tokens 64]
    [--texts REFERENCE.json]

MODEL is a Hugging Face folder or a GGUF file. Weights are decoded to fp32; `--weights bf16` (the default) then rounds each of
them to the nearest bf16 value, as a bf16 copy of the model holds them. Arithmetic is fp32 unless `--compute bfloat16`.
`--texts` scores the token sequences of another such file instead of generating: what a second precision makes of the same texts.
Needs torch, transformers and, for GGUF, gguf. Use a single thread (OMP_NUM_THREADS=1) for figures that repeat.
"""
import argparse
import json
import os
import platform

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

# The tutorial's system prompt for GSM8K.
REASONING_SYSTEM = "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n"


def user(text, system=None):
    return ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": text}]


PROMPTS = {
    "gsm8k": user(  # the first question of GSM8K's test split (MIT licence)
        "Janet\u2019s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends every "
        "day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in dollars does "
        "she make every day at the farmers' market?",
        REASONING_SYSTEM,
    ),
    "arithmetic": user("What is 17 * 23 - 45? Show your work step by step."),
    "code": user("Write a Python function is_prime(n) that returns True when n is a prime number.", "You are a careful programmer."),
    "fact": user("What is the capital of France? Answer in one word."),
    "code-reading": user("What does this print, and why?\n\n```python\nfor i in range(3):\n\tif i % 2 == 0:\n\t\tprint(i, end=', ')\n```"),
    "unicode": user("Translate to German and to Chinese: \u201cThe swift \U0001f426 flies at 110 km/h \u2014 isn't that na\u00efve?\u201d"),
    "turns": [
        {"role": "system", "content": "You are a helpful assistant who answers briefly."},
        {"role": "user", "content": "My name is Ada and I have 3 cats."},
        {"role": "assistant", "content": "Nice to meet you, Ada! Cats are wonderful companions."},
        {"role": "user", "content": "I adopt 2 more. What is my name, and how many cats do I have now?"},
    ],
    "story": user("Once upon a time there was a robot who wanted to paint. Continue this story in a few sentences."),
}


def load(path, rounded, compute):
    folder, file = (os.path.split(os.path.abspath(path))) if path.endswith(".gguf") else (path, None)
    options = {"gguf_file": file} if file else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    if file:
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
    if rounded:
        for parameter in model.parameters():
            parameter.data = parameter.data.bfloat16().float()
    return tokenizer, model.to(getattr(torch, compute))


def end_tokens(model):
    ids = model.generation_config.eos_token_id
    return ids if isinstance(ids, list) else [ids]


@torch.no_grad()
def continue_greedily(model, prompt, limit, ends):
    """The likeliest token at each step, its log-probability, and the two largest logits with their tokens."""
    tokens, log_probs, best = [], [], []
    output = model(torch.tensor([prompt]), use_cache=True)
    while True:
        logits = output.logits[0, -1].float()
        values, indices = logits.topk(2)
        token = indices[0].item()
        tokens.append(token)
        log_probs.append((values[0] - logits.logsumexp(0)).item())
        best.append([[i.item(), v.item()] for i, v in zip(indices, values)])
        if token in ends or len(tokens) == limit:
            return tokens, log_probs, best
        output = model(torch.tensor([[token]]), past_key_values=output.past_key_values, use_cache=True)


@torch.no_grad()
def score(model, prompt, completion):
    """Log-probability of every completion token given those before it, in one pass without a cache."""
    output = model(torch.tensor([prompt + completion]), use_cache=False)
    logits = output.logits[0, len(prompt) - 1 : -1].float()
    picked = logits.gather(1, torch.tensor(completion)[:, None])[:, 0]
    return (picked - logits.logsumexp(1)).tolist()


def generated(tokenizer, model, limit):
    for name, messages in PROMPTS.items():
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens, log_probs, best = continue_greedily(model, prompt, limit, end_tokens(model))
        in_one_pass = score(model, prompt, tokens)
        # Greedy tokens need not be the tokens of their own text, and the scorer is given text: tokenise it again.
        scored_text = tokenizer.decode(tokens, skip_special_tokens=False)
        scored_tokens = tokenizer(scored_text, add_special_tokens=False)["input_ids"]
        yield {
            "name": name,
            "messages": messages,
            "prompt_text": text,
            "prompt_token_ids": prompt,
            "token_ids": tokens,
            "text": tokenizer.decode(tokens, skip_special_tokens=True),
            "log_probs": log_probs,
            "two_best": best,
            # How far transformers is from itself: token by token with a cache against one pass.
            "step_against_pass": max(abs(a - b) for a, b in zip(log_probs, in_one_pass)),
            "scored_text": scored_text,
            "scored_token_ids": scored_tokens,
            "scored_log_probs": score(model, prompt, scored_tokens),
        }


def rescored(model, path):
    for case in json.load(open(path))["cases"]:
        log_probs = score(model, case["prompt_token_ids"], case["scored_token_ids"])
        apart = [abs(a - b) for a, b in zip(log_probs, case["scored_log_probs"])]
        print(f"{case['name']}: mean {sum(apart) / len(apart):.2e}, worst {max(apart):.2e} from {path}", flush=True)
        kept = ("name", "messages", "prompt_text", "prompt_token_ids", "token_ids", "text", "scored_text", "scored_token_ids")
        yield {**{key: case[key] for key in kept}, "scored_log_probs": log_probs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--weights", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--compute", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--texts", help="score this reference file's token sequences instead of generating")
    options = parser.parse_args()
    tokenizer, model = load(options.model, options.weights == "bf16", options.compute)
    reference = {
        "made_with": {"torch": torch.__version__, "transformers": transformers.__version__, "machine": platform.machine()},
        "weights": options.weights,
        "compute": options.compute,
        "end_token_ids": end_tokens(model),
        "cases": [],
    }
    for case in rescored(model, options.texts) if options.texts else generated(tokenizer, model, options.tokens):
        reference["cases"].append(case)
        print(f"{case['name']}: {len(case['prompt_token_ids'])} + {len(case['token_ids'])} tokens, {case['text'][:60]!r}", flush=True)
    with open(options.out, "w") as file:
        json.dump(reference, file, indent=1, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
