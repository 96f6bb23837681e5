"""PyTorch on the work that Scripts/gpu_check.py gives to Apus; prints one JSON line.

usage: torch_timings.py attention [--device cuda] [--rows 4096] [--heads 32] [--key-heads 32] [--size 128]
       torch_timings.py grpo HF_DIR [--device cuda] [--generations 6] [--prompt 112] [--tokens 200] [--steps 2]

attention is scaled_dot_product_attention, causal, one sequence in bf16, forward and backward, in TFLOP/s of the keys that
are seen. grpo is a step of PEFT in eager mode as trainers do it: `generate`, the log-probabilities of what it drew, one
backward pass, one AdamW step on LoRA of rank 32 over all seven modules. Weights are NF4 where bitsandbytes is installed, else bf16.
"""
import argparse
import importlib.util
import json
import statistics
import sys
import time

import torch

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["attention", "grpo"])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--device", default="cuda")
    for name, default in [
            ("rows", 4096), ("heads", 32), ("key-heads", 32), ("size", 128), ("generations", 6), ("prompt", 112),
            ("tokens", 200), ("steps", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def wait(options):
    if options.device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(options, body, repetitions=20):
    """The median time of a call, the first ones left out."""
    for _ in range(3):
        body()
    times = []
    for _ in range(repetitions):
        wait(options)
        begin = time.perf_counter()
        body()
        wait(options)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def attention(options):
    def numbers(heads):
        values = torch.randn(1, heads, options.rows, options.size, device=options.device, dtype=torch.bfloat16)
        return values.requires_grad_()

    q, k, v = numbers(options.heads), numbers(options.key_heads), numbers(options.key_heads)
    grouped = {"enable_gqa": True} if options.heads != options.key_heads else {}

    def attend():
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, **grouped)

    with torch.no_grad():
        forward = seconds(options, attend)
    out = attend()
    gradient = torch.randn_like(out)
    backward = seconds(options, lambda: torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True))
    pairs = options.rows * (options.rows + 1) / 2 * options.heads * options.size
    return {
        "forward_microseconds": forward * 1e6, "forward_teraflops": 4 * pairs / forward / 1e12,
        "backward_microseconds": backward * 1e6, "backward_teraflops": 10 * pairs / backward / 1e12,
    }


def load(options):
    """The model with a fresh adapter, and how its weights are held."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    held, settings = "bf16", {}
    if options.device.startswith("cuda") and importlib.util.find_spec("bitsandbytes"):
        from transformers import BitsAndBytesConfig

        held = "nf4"
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.bfloat16, device_map={"": options.device}, **settings)
    model = get_peft_model(model, LoraConfig(r=32, lora_alpha=32, target_modules=MODULES))
    return model, held


def train(model, optimizer, sequences, prompt):
    """One update from all sequences, whose advantages are given and sum to nothing."""
    advantages = torch.linspace(-1, 1, len(sequences), device=sequences.device)
    logits = model(sequences).logits[:, prompt - 1 : -1]
    log_probs = torch.log_softmax(logits.float(), -1).gather(-1, sequences[:, prompt:, None])[..., 0]
    loss = -(advantages[:, None] * log_probs).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def grpo(options):
    begin = time.perf_counter()
    model, held = load(options)
    wait(options)
    load_seconds = time.perf_counter() - begin
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=5e-6)
    vocabulary = model.config.vocab_size
    prompt = torch.randint(0, vocabulary - 2, (1, options.prompt), device=options.device)
    prompts = prompt.repeat(options.generations, 1)

    def step(tokens):
        with torch.no_grad():
            sequences = model.generate(
                input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=True, min_new_tokens=tokens,
                max_new_tokens=tokens, pad_token_id=vocabulary - 1)
        wait(options)
        sampled = time.perf_counter()
        train(model, optimizer, sequences, options.prompt)
        wait(options)
        return sampled

    step(8)
    rollouts, totals = [], []
    for _ in range(options.steps):
        begin = time.perf_counter()
        sampled = step(options.tokens)
        rollouts.append(sampled - begin)
        totals.append(time.perf_counter() - begin)
    result = {
        "peer": "PyTorch + PEFT, eager", "format": held, "batch": options.generations, "load_seconds": load_seconds,
        "prompt_tokens": options.prompt, "seconds_per_step": statistics.median(totals), "steps": totals,
        "rollout_seconds": statistics.median(rollouts),
        "completion_tokens_per_second": options.generations * options.tokens / statistics.median(totals),
    }
    if options.device.startswith("cuda"):
        result["peak_allocated_mib"] = torch.cuda.max_memory_allocated() >> 20
    return result


def main():
    options = parse()
    if options.what == "grpo" and not options.model:
        sys.exit("torch_timings: grpo needs a model folder")
    print(json.dumps(attention(options) if options.what == "attention" else grpo(options)))


if __name__ == "__main__":
    main()
