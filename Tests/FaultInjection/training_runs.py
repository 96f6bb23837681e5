"""Small runs of `apus train` and `apus sft` and what they leave on disk: what the scripts that disturb runs share. Standard library only."""
import hashlib
import json
import pathlib

TESTS = pathlib.Path(__file__).resolve().parent.parent
TINY_MODEL = TESTS / "Fixtures" / "base96-slips"
MANIFEST = "apus_manifest.json"


class Broken(Exception):
    """A run did not leave what it must."""


def command(apus, output, steps, extra=(), kind="train"):
    """A run that saves each step: `train`, `sft` or `sft-full`."""
    settings = {
        "model": TINY_MODEL, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "max_steps": steps,
        "learning_rate": 1e-3, "save_steps": 1, "save_total_limit": 3, "logging_steps": 2, "output_dir": output,
    }
    settings |= grpo_settings() if kind == "train" else supervised_settings(output, kind == "sft-full")
    return [str(apus), kind.split("-")[0], *(f"--{key}={value}" for key, value in settings.items()), *extra]


def grpo_settings():
    """Uses each generation for several steps and adapts its entropy bonus."""
    return {
        "load_in_4bit": "false", "dataset_name": "arithmetic", "dataset_size": 40, "reward_funcs": "demo", "lora_r": 4,
        "num_generations": 4, "steps_per_generation": 4, "num_iterations": 2, "max_completion_length": 8,
        "beta": 0.01, "use_adaptive_entropy": "true",
    }


def supervised_settings(output, is_full):
    """27 rows: the last step of each pass is smaller than the others."""
    data = pathlib.Path(output).parent / "supervised.jsonl"
    rows = [{"prompt": f"What is {i}?", "completion": f"={i % 7}" * (i % 5 + 1)} for i in range(27)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    weights = {"use_peft": "false"} if is_full else {"load_in_4bit": "false", "lora_r": 4}
    return {"dataset_name": data, "warmup_steps": 3, **weights}


def checkpoints(output):
    """Checkpoint folders, the highest step first."""
    found = [path for path in pathlib.Path(output).glob("checkpoint-*") if path.name.split("-")[1].isdigit()]
    return sorted(found, key=lambda path: -int(path.name.split("-")[1]))


def drafts(output):
    return sorted(path.name for path in pathlib.Path(output).glob(".checkpoint-draft-*"))


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def check_whole(checkpoint):
    """Raises unless every file is as the manifest says."""
    path = checkpoint / MANIFEST
    if not path.exists():
        raise Broken(f"{checkpoint}: {MANIFEST} is missing")
    for name, wanted in json.loads(path.read_text())["files"].items():
        file = checkpoint / name
        if not file.exists() or file.stat().st_size != wanted["bytes"] or digest(file) != wanted["sha256"]:
            raise Broken(f"{file} is not what was written")


def timeless(record):
    """A log line without what depends on the clock and the machine's memory."""
    timed = ("time/", "step_time", "tokens_per_second", "memory/", "eval_runtime", "eval_samples_per", "eval_steps_per")
    return {name: value for name, value in record.items() if not name.startswith(timed)}


def outcome(output, steps):
    """All of a finished run that must not depend on how it got there."""
    last = pathlib.Path(output) / f"checkpoint-{steps}"
    if not last.is_dir():
        raise Broken(f"{output} has no checkpoint-{steps}")
    check_whole(last)
    if drafts(output):
        raise Broken(f"{output}: {drafts(output)} is left")
    lines = (pathlib.Path(output) / "metrics.jsonl").read_text().splitlines()
    weights = [last / name for name in ("adapter_model.safetensors", "model.safetensors") if (last / name).exists()]
    return {
        "weights": digest(weights[0]),
        "optimizer": digest(last / "optimizer.safetensors"),
        "metrics": [timeless(json.loads(line)) for line in lines],
    }
