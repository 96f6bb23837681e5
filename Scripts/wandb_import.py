#!/usr/bin/env python3
"""Takes a run's metrics.jsonl to Weights & Biases, by the package's public interface.

    pip install wandb
    python Scripts/wandb_import.py OUTPUT_DIR [--project NAME] [--name NAME] [--follow]

WANDB_MODE=offline keeps the run in ./wandb, for `wandb sync` later. --follow waits for further lines, until Ctrl-C.
"""
import argparse
import json
import pathlib
import time

import wandb


def lines(path, follow):
    """The whole lines of a file, and with `follow` those that are still to come."""
    pending = ""
    with open(path, encoding="utf-8") as file:
        while True:
            piece = file.readline()
            pending += piece
            if pending.endswith("\n"):
                yield pending
                pending = ""
            elif not piece:
                if not follow:
                    return
                time.sleep(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output_dir", type=pathlib.Path)
    parser.add_argument("--project", default="apus")
    parser.add_argument("--name", help="the run's name; the folder's unless given")
    parser.add_argument("--follow", action="store_true")
    arguments = parser.parse_args()
    path = arguments.output_dir / "metrics.jsonl"
    if not path.exists():
        parser.error(f"{path}: no such file; give the output_dir of a run")
    name = arguments.name or arguments.output_dir.resolve().name
    with wandb.init(project=arguments.project, name=name) as run:
        try:
            for line in lines(path, arguments.follow):
                record = json.loads(line)
                step = record.pop("step")
                # The names that Transformers' own callback uses.
                values = {f"train/{key}": value for key, value in record.items() if value is not None}
                run.log({**values, "train/global_step": step}, step=step)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
