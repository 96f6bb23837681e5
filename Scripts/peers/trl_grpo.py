"""TRL's GRPO on the work of `apus bench grpo`: one prompt in chat format, a group of completions of exactly --tokens tokens, the
letter e as reward, one backward pass and one AdamW step on LoRA of rank 32 over all seven linear modules, beta 0.

usage: trl_grpo.py HF_DIR [--steps 3] [--dtype float32] [--generations 6] [--tokens 200] [--checkpointing] [--data TRAIN.jsonl]

Prints one JSON line with the fields of `apus bench grpo --json`. Prompts are those of `apus bench`, in questions.json, or the
`question` of each line of --data. `--dtype bfloat16` is the better setting where the processor multiplies bf16.
Needs torch, transformers, trl, peft and datasets (setup.sh).
"""
import argparse
import json
import os
import resource
import statistics
import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

SYSTEM = "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n"
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--generations", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations: less memory, more time")
    parser.add_argument("--data")
    return parser.parse_args()


def prompts(data):
    if data:
        with open(data, encoding="utf-8") as lines:
            questions = [json.loads(line)["question"] for line in lines][:64]
    else:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "questions.json"), encoding="utf-8") as file:
            questions = json.load(file)
    system = {"role": "system", "content": SYSTEM}
    return Dataset.from_list([{"prompt": [system, {"role": "user", "content": question}]} for question in questions])


def letter_e(completions, **_):
    """Differs within a group, so that no group is skipped."""
    return [completion[0]["content"].count("e") / 100 for completion in completions]


def trainer(options, folder):
    arguments = GRPOConfig(
        output_dir=folder, report_to="none", save_strategy="no", logging_steps=1, max_steps=options.steps, use_cpu=True,
        bf16=options.dtype == "bfloat16", per_device_train_batch_size=options.generations, gradient_accumulation_steps=1,
        num_generations=options.generations, max_completion_length=options.tokens,
        # No sequence may end early: every completion has the same length.
        generation_kwargs={"min_new_tokens": options.tokens},
        learning_rate=5e-6, beta=0.0, loss_type="grpo", gradient_checkpointing=options.checkpointing,
    )
    return GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)),
        processing_class=AutoTokenizer.from_pretrained(options.model), reward_funcs=[letter_e], args=arguments,
        train_dataset=prompts(options.data), peft_config=LoraConfig(r=32, lora_alpha=32, target_modules=MODULES),
    )


def main():
    options = parse()
    torch.set_num_threads(os.cpu_count())
    with tempfile.TemporaryDirectory() as folder:
        run = trainer(options, folder)
        run.train()
    steps = [float(entry["step_time"]) for entry in run.state.log_history if "step_time" in entry]
    seconds = statistics.median(steps)
    print(json.dumps({
        "peer": "trl", "format": options.dtype, "batch": options.generations, "seconds_per_step": seconds,
        "completion_tokens_per_second": options.generations * options.tokens / seconds,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "steps": steps,
    }))


if __name__ == "__main__":
    main()
