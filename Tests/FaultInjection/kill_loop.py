#!/usr/bin/env python3
"""Kills `apus train` or `apus sft` with SIGKILL at random moments, resumes it each time, and compares what comes out.

    Tests/FaultInjection/kill_loop.py --apus .build/release/apus --kills 200

A run on the tiny model of the repository saves after each step. It is killed, half of the time at any moment and half of
the time within a save, and started again with `--resume_from_checkpoint true` (or, before there is a checkpoint, without).
Each time it gets to its end, its weights, its optimizer and its log must be those of a run that nobody disturbed; then
another run begins, until enough kills have been made. After each kill, every checkpoint that has its name must be whole.
"""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from training_runs import Broken, check_whole, checkpoints, command, drafts, outcome


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", default=".build/release/apus", help="the program")
    parser.add_argument(
        "--command", default="train", choices=["train", "sft", "sft-full"],
        help="GRPO, supervised training of an adapter, or of all weights")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=24, help="optimizer steps of a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where runs go; a temporary folder if not given")
    return parser.parse_args()


def wait_for_save(process, output, limit):
    """Returns when a save has begun, or the run has ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end and process.poll() is None and not drafts(output):
        time.sleep(0.0005)


def disturb(args, output, generator, pace):
    """Starts or resumes a run and kills it. Returns the moment of the kill; None if the run got to its end first."""
    begun = bool(checkpoints(output))
    extra = ["--resume_from_checkpoint", "true"] if begun else []
    process = subprocess.Popen(
        command(args.apus, output, args.steps, extra, args.command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True)
    if generator.random() < 0.5:
        time.sleep(generator.uniform(0, pace["start"] + 4 * pace["step"]))
    else:
        for _ in range(generator.randint(1, 3)):
            wait_for_save(process, output, 60)
            time.sleep(generator.uniform(0, pace["step"]) if drafts(output) else 0)
        wait_for_save(process, output, 60)
        time.sleep(generator.uniform(0, 0.004))
    process.kill()
    errors = process.communicate()[1]
    if process.returncode == 0:
        return None
    if process.returncode != -9:
        raise Broken(f"exit status {process.returncode} in place of a kill: {errors.strip()}")
    if drafts(output):
        return "within a save"
    return "between saves" if begun or checkpoints(output) else "before the first checkpoint"


def finish(args, output):
    extra = ["--resume_from_checkpoint", "true"] if checkpoints(output) else []
    result = subprocess.run(
        command(args.apus, output, args.steps, extra, args.command), capture_output=True, text=True)
    if result.returncode != 0:
        raise Broken(f"exit status {result.returncode}: {result.stderr.strip()}")


def undisturbed(args, folder):
    """The run to compare with, and how long its parts take."""
    output = folder / "undisturbed"
    process = subprocess.Popen(
        command(args.apus, output, args.steps, kind=args.command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True)
    begin = time.monotonic()
    while process.poll() is None and not checkpoints(output):
        time.sleep(0.002)
    start = time.monotonic() - begin
    errors = process.communicate()[1]
    if process.returncode != 0:
        raise Broken(f"the undisturbed run: exit status {process.returncode}: {errors.strip()}")
    pace = {"start": start, "step": (time.monotonic() - begin - start) / (args.steps - 1)}
    print(f"undisturbed: {args.steps} steps, first checkpoint after {start:.2f} s, then {pace['step']:.3f} s a step")
    return outcome(output, args.steps), pace


def compare(output, steps, wanted):
    found = outcome(output, steps)
    for part, value in wanted.items():
        if found[part] != value:
            raise Broken(f"{output}: {part} differs from that of the undisturbed run")


def loop(args, folder):
    generator = random.Random(args.seed)
    wanted, pace = undisturbed(args, folder)
    kills, runs = {}, 0
    while sum(kills.values()) < args.kills:
        output = folder / f"run-{runs}"
        while sum(kills.values()) < args.kills:
            moment = disturb(args, output, generator, pace)
            if moment is None:
                break
            kills[moment] = kills.get(moment, 0) + 1
            for checkpoint in checkpoints(output):
                check_whole(checkpoint)
        if not (output / f"checkpoint-{args.steps}").is_dir() or drafts(output):
            finish(args, output)
        compare(output, args.steps, wanted)
        shutil.rmtree(output)
        runs += 1
    places = ", ".join(f"{count} {moment}" for moment, count in sorted(kills.items()))
    print(f"{sum(kills.values())} kills ({places}); {runs} runs got to their end, each with the undisturbed run's")
    print(f"optimizer, log and weights (SHA-256 {wanted['weights']})")


def main():
    args = arguments()
    args.apus = pathlib.Path(args.apus).resolve()
    folder = pathlib.Path(args.folder or tempfile.mkdtemp(prefix="apus-kills-"))
    try:
        loop(args, folder)
    except Broken as error:
        print(f"kill_loop: {error} (files are in {folder})", file=sys.stderr)
        return 1
    if not args.folder:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
