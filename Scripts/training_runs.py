"""Small runs of `apus train` and what they leave on disk: what the scripts that disturb runs share. Standard library only."""
import hashlib
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY_MODEL = ROOT / "Tests" / "Fixtures" / "base96-slips"
MANIFEST = "apus_manifest.json"


class Broken(Exception):
    """A run did not leave what it must."""


def command(apus, output, steps, extra=()):
    """A run that saves each step, uses each generation for several steps and adapts its entropy bonus."""
    settings = {
        "model": TINY_MODEL, "load_in_4bit": "false", "dataset_name": "arithmetic", "dataset_size": 40,
        "reward_funcs": "demo", "lora_r": 4, "per_device_train_batch_size": 4, "num_generations": 4,
        "gradient_accumulation_steps": 2, "steps_per_generation": 4, "num_iterations": 2,
        "max_completion_length": 8, "max_steps": steps, "learning_rate": 1e-3, "beta": 0.01,
        "use_adaptive_entropy": "true", "save_steps": 1, "save_total_limit": 3, "logging_steps": 2,
        "output_dir": output,
    }
    return [str(apus), "train", *(f"--{key}={value}" for key, value in settings.items()), *extra]


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
    """A log line without what depends on the clock."""
    return {name: value for name, value in record.items() if not name.startswith("time/") and name != "step_time"}


def outcome(output, steps):
    """All of a finished run that must not depend on how it got there."""
    last = pathlib.Path(output) / f"checkpoint-{steps}"
    if not last.is_dir():
        raise Broken(f"{output} has no checkpoint-{steps}")
    check_whole(last)
    if drafts(output):
        raise Broken(f"{output}: {drafts(output)} is left")
    lines = (pathlib.Path(output) / "metrics.jsonl").read_text().splitlines()
    return {
        "adapter": digest(last / "adapter_model.safetensors"),
        "optimizer": digest(last / "optimizer.safetensors"),
        "metrics": [timeless(json.loads(line)) for line in lines],
    }
