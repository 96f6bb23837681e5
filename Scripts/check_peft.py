"""Checks a checkpoint that `apus train` saved against the libraries that will load it: PEFT and transformers.

usage: check_peft.py --apus PATH --base HF_DIR --adapter CHECKPOINT [--model FILE] [--mean 0.02] [--worst 0.5] [-- APUS OPTIONS]

The adapter must load into the base model with no key missing or left over and keep every value; the base model with the adapter
must give the log-probabilities that `apus score --json --raw --adapter` gives; an adapter whose B matrices are not all zero must
change them, in both; trainer_state.json, where there is one, must load as transformers' TrainerState and agree with the folder's
name. Exits with 1 at the first mismatch. `--model` is what `apus` loads (default: the base folder). Options after `--` are handed
to `apus`: with `-- --precision f32` both compute in fp32 on the folder's weights, and --mean 1e-4 --worst 1e-3 is fair.
Needs torch, transformers, peft and safetensors.
"""
import argparse
import os
import re
import sys

import apus_command
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.trainer_callback import TrainerState

PROMPT = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
COMPLETION = " In May she sold 48 / 2 = 24 clips, so altogether she sold 48 + 24 = 72 clips."


class Mismatch(Exception):
    """What was wanted and what was found."""


def require(condition, message):
    if not condition:
        raise Mismatch(message)


def check_tensors(model, folder):
    """Every tensor of the file is in the model, bit for bit, and the model has no adapter tensor that the file lacks."""
    saved = load_file(os.path.join(folder, "adapter_model.safetensors"))
    loaded = get_peft_model_state_dict(model)
    missing, left_over = sorted(loaded.keys() - saved.keys()), sorted(saved.keys() - loaded.keys())
    require(not missing, f"adapter_model.safetensors lacks {len(missing)} tensors, the first {missing[:1]}")
    require(not left_over, f"adapter_model.safetensors has {len(left_over)} tensors that PEFT does not take, the first {left_over[:1]}")
    changed = [name for name, tensor in saved.items() if not torch.equal(tensor.float(), loaded[name].float())]
    require(not changed, f"{len(changed)} tensors changed while loading, the first {changed[:1]}")
    config = model.peft_config["default"]
    print(f"adapter: {len(saved)} tensors, rank {config.r}, alpha {config.lora_alpha}, rslora {config.use_rslora}")
    return any(tensor.any() for name, tensor in saved.items() if "lora_B" in name)


@torch.no_grad()
def log_probs(model, prompt, completion):
    output = model(input_ids=torch.tensor([prompt + completion]), use_cache=False)
    logits = output.logits[0, len(prompt) - 1 : -1].float()
    return logits.log_softmax(1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def compare(label, model, options, more):
    """Checks the command's log-probabilities against PEFT's on the command's own tokens, and returns both, PEFT's first."""
    prompt, completion, ours = apus_command.score(
        options.apus, options.model or options.base, options.prompt, options.completion, [*more, *options.apus_options]
    )
    theirs = log_probs(model, prompt, completion)
    apart = (torch.tensor(ours) - theirs).abs()
    mean, worst = apart.mean().item(), apart.max().item()
    print(f"log-probabilities {label}: mean difference {mean:.2e}, worst {worst:.2e} over {len(apart)} tokens")
    require(mean <= options.mean, f"mean difference {label} is {mean:.3g}, over {options.mean}")
    require(worst <= options.worst, f"worst difference {label} is {worst:.3g}, over {options.worst}")
    return theirs, torch.tensor(ours)


def check_numbers(model, trained, options):
    """With the adapter and without, both programs say the same; and the adapter changes in both what they say."""
    with_adapter = compare("with the adapter", model, options, ["--adapter", options.adapter])
    with model.disable_adapter():
        without = compare("without it", model, options, [])
    for program, on, off in zip(("PEFT", "apus"), with_adapter, without):
        effect = (on - off).abs().max().item()
        print(f"the adapter moves log-probabilities in {program} by up to {effect:.2e}")
        require(effect > 0 or not trained, f"the adapter's B matrices are not zero, yet it changes nothing in {program}")


def check_state(folder):
    path = os.path.join(folder, "trainer_state.json")
    if not os.path.exists(path):
        print("trainer_state.json: none")
        return
    try:
        state = TrainerState.load_from_json(path)
    except TypeError as error:  # an unknown key
        raise Mismatch(f"trainer_state.json: {error}") from error
    print(f"trainer_state.json: step {state.global_step} of {state.max_steps}, {len(state.log_history)} log entries")
    named = re.search(r"checkpoint-(\d+)/?$", folder)
    require(not named or int(named[1]) == state.global_step, f"the folder is {named and named[0]}, global_step {state.global_step}")
    steps = [entry["step"] for entry in state.log_history]
    require(steps == sorted(steps) and all(step <= state.global_step for step in steps), f"log_history's steps are {steps}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", required=True)
    parser.add_argument("--base", required=True, help="the base model as a Hugging Face folder")
    parser.add_argument("--adapter", required=True, help="the folder with adapter_config.json")
    parser.add_argument("--model", help="what apus loads, when it is not the folder (the GGUF file)")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--completion", default=COMPLETION)
    parser.add_argument("--mean", type=float, default=0.02)
    parser.add_argument("--worst", type=float, default=0.5)
    parser.add_argument("apus_options", nargs="*")
    options = parser.parse_args()
    base = AutoModelForCausalLM.from_pretrained(options.base, dtype=torch.float32).eval()
    model = PeftModel.from_pretrained(base, options.adapter).eval()
    try:
        check_state(options.adapter)
        trained = check_tensors(model, options.adapter)
        check_numbers(model, trained, options)
    except (Mismatch, apus_command.ApusError) as failure:
        print(f"FAILED {failure}")
        return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
