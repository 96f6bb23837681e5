#!/usr/bin/env python3
"""Checks and times Apus on a machine with an NVIDIA card, in one command and less than eight minutes.

usage: gpu_check.py [--limit 470] [--models qwen2.5-0.5b,llama-3.1-8b,qwen2.5-1.5b] [--out gpu_check.json] [--folder DIR]
    [--tiny] [--no-peers]

It stands in a bundle that Scripts/make_gpu_check.sh makes, beside the programs `apus` and `CheckDevice`, which it unpacks;
no toolchain is needed. First CheckDevice holds the card against fixtures and times kernels. Then for each model, of random
weights: `apus bench` load, prefill, decode and grpo in NF4, and PyTorch with PEFT on the same work where it is installed.
What there is no time for, or what is not installed, is said. Prints one JSON object, and writes it to --out. The exit status
is 1 when a check or `apus` fails.

--tiny tries the script itself on an emulated card (APUS_LIBCUDA; Tests/CUDAEmulation/build_library.sh): its figures mean nothing.
Needs Python's standard library; torch, transformers, peft and bitsandbytes are used where they are.
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peers"))
import random_model  # noqa: E402

PACKAGES = ["torch", "transformers", "peft", "bitsandbytes"]
# Seconds that the parts may take at most, whatever is left.
LIMITS = {"check": 120, "time": 50, "demo": 45, "attention": 30, "load": 90, "bench": 60, "peer": 100}
# Below these no model is begun: 16 GB have to be written first.
LEAST_FOR_MODEL = 45


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=470, help="seconds that everything may take")
    parser.add_argument("--models", default="qwen2.5-0.5b,llama-3.1-8b,qwen2.5-1.5b")
    parser.add_argument("--out", default="gpu_check.json")
    parser.add_argument("--folder", help="where models are made (default: memory if it holds them, else the temporary folder)")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch out")
    return parser.parse_args()


class CardMemory:
    """The most memory of the card that nvidia-smi sees in use while something runs."""

    QUERY = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "100"]

    def __enter__(self):
        self.peak = None
        try:
            self.process = subprocess.Popen(self.QUERY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError:
            self.process = None
            return self
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        return self

    def follow(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.peak = max(self.peak or 0, int(line))

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.thread.join()


class Check:
    """What has been found, and the time that is left."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.end = time.monotonic() + options.limit
        self.report = {"tiny": True} if options.tiny else {}
        self.has_failed = False
        # Packed weights are kept here, not in the user's cache.
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}

    def left(self):
        return self.end - time.monotonic()

    def run(self, command, limit, counts=True, must_end=False):
        """What a program's last line says, with the time and the card's memory that it took.

        counts: whether a failure is one of the whole check; those of peers are not.
        must_end: whether it is a failure too when the time does not suffice.
        """
        limit = min(limit, self.left())
        if limit < 5:
            return {"skipped": "no time left"}
        begin = time.monotonic()
        with CardMemory() as memory:
            try:
                result = subprocess.run(
                    [str(each) for each in command], capture_output=True, text=True, timeout=limit, env=self.environment)
            except subprocess.TimeoutExpired:
                self.has_failed |= must_end
                return {"skipped": f"not done after {limit:.0f} s"}
            except OSError as error:
                self.has_failed |= counts
                return {"error": str(error)}
        found = {"seconds": round(time.monotonic() - begin, 2)}
        if memory.peak is not None:
            found["peak_card_mib"] = memory.peak
        try:
            found["result"] = json.loads(result.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            found["error"] = result.stderr.strip()[-600:] or "no result"
        if result.returncode != 0:
            found["exit_status"] = result.returncode
            self.has_failed |= counts
        return found

    def say(self, name, value):
        self.report[name] = value
        print(f"gpu_check: {name}, {self.left():.0f} s left", file=sys.stderr, flush=True)


def machine():
    """The card and the packages as they are."""
    found = {"python": sys.version.split()[0], "packages": {}}
    for name in PACKAGES:
        try:
            found["packages"][name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found["packages"][name] = None
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem",
             "--format=csv,noheader"]
    try:
        found["cards"] = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        found["cards"] = f"nvidia-smi: {error}"
    return found


def missing(check, *names):
    """Why a peer cannot be timed; None where it can."""
    if check.options.no_peers:
        return {"skipped": "--no-peers"}
    absent = [name for name in names if check.report["machine"]["packages"][name] is None]
    return {"skipped": f"not installed: {', '.join(absent)}"} if absent else None


def peer(check, *arguments):
    # PyTorch sees no emulated card: the script is tried on the processor.
    device = ["--device", "cpu"] if check.options.tiny else []
    command = [sys.executable, HERE / "peers" / "torch_timings.py", *arguments, *device]
    return check.run(command, LIMITS["attention" if arguments[0] == "attention" else "peer"], counts=False)


def kernels(check):
    small = ["--tiny"] if check.options.tiny else []
    only = ["--only", "golden.tiny_llama", "--only", "sampling.nf4", "--only", "training.nf4"] if check.options.tiny else []
    program = HERE / "CheckDevice"
    check.say("check", check.run([program, "--fixtures", HERE / "Fixtures", *only], LIMITS["check"], must_end=True))
    check.say("kernels", check.run([program, "--no-checks", "--time", *small], LIMITS["time"]))
    if not check.options.tiny:
        demo = [HERE / "apus", "demo", "--device", "cuda", "--steps", "2", "--json", "--output-dir", check.folder / "demo"]
        check.say("demo", check.run(demo, LIMITS["demo"]))
    size = ["--rows", "64", "--heads", "4", "--size", "64"] if check.options.tiny else []
    for key_heads in [["--key-heads", "4"]] if check.options.tiny else [["--key-heads", "32"], ["--key-heads", "8"]]:
        found = missing(check, "torch") or peer(check, "attention", *size, *key_heads)
        check.say(f"sdpa, {key_heads[1]} key heads", found)


def model(check, name):
    """Everything about one model, whose folder is removed again."""
    folder = check.folder / name
    begin = time.monotonic()
    if check.left() < LEAST_FOR_MODEL:
        return check.say(name, {"skipped": "no time left"})
    found = {"weights_bytes": random_model.make(name, folder), "made_in_seconds": round(time.monotonic() - begin, 1)}
    tokens = ["--tokens", "8"] if check.options.tiny else []

    def bench(kind, limit, *options):
        command = [HERE / "apus", "bench", kind, "--model", folder, "--device", "cuda", "--json", *options]
        return check.run(command, LIMITS[limit])

    found["load"] = bench("load", "load", "--steps", "1")
    found["grpo"] = bench("grpo", "bench", "--steps", "2", *tokens)
    found["torch"] = missing(check, "torch", "transformers", "peft") or peer(
        check, "grpo", folder, *(tokens + ["--generations", "2"] if check.options.tiny else []))
    for batch in ["2"] if check.options.tiny else ["1", "6", "64"]:
        found[f"decode, {batch}"] = bench("decode", "bench", "--batch", batch, "--steps", "1", *tokens)
    found["prefill"] = bench("prefill", "bench", "--steps", "3")
    shutil.rmtree(folder, ignore_errors=True)
    return check.say(name, found)


def unpack():
    """The programs, beside this file: a folder in memory may not hold programs."""
    packed = HERE / "programs.tar.xz"
    if packed.exists() and not (HERE / "CheckDevice").exists():
        with tarfile.open(packed) as archive:
            for name in ["apus", "CheckDevice"]:
                archive.extract(name, HERE)


def place(options):
    """Where 16 GB and their packed copy fit, memory first: a disk's speed is not what is measured."""
    if options.folder:
        return options.folder
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 32 << 30:
        return memory
    return None


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="gpu_check-", dir=place(options)) as folder:
        check = Check(options, pathlib.Path(folder))
        unpack()
        check.say("machine", machine())
        kernels(check)
        for name in ["tiny"] if options.tiny else options.models.split(","):
            model(check, name)
        check.report["seconds"] = round(options.limit - check.left(), 1)
        check.report["passed"] = not check.has_failed
    text = json.dumps(check.report)
    pathlib.Path(options.out).write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(check.has_failed)


if __name__ == "__main__":
    main()
