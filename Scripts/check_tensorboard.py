#!/usr/bin/env python3
"""Reads a run's TensorBoard files with the tensorboard package and compares them with metrics.jsonl.

    pip install tensorboard
    python Scripts/check_tensorboard.py OUTPUT_DIR

Every finite value of every line must be there once, under its tag, and nothing else.
"""
import argparse
import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def single(value):
    """A number as event files hold it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output_dir", type=pathlib.Path)
    output = parser.parse_args().output_dir
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    folder = max((output / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    expected = {}
    for record in records:
        step = record.pop("step")
        for name, value in record.items():
            tag = "eval/" + name[5:] if name.startswith("eval_") else "train/" + name
            if value is not None:
                expected.setdefault(tag, []).append((step, single(value)))
    found = {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
    wrong = sorted(tag for tag in expected.keys() | found.keys() if expected.get(tag) != found.get(tag))
    files = len(list(folder.iterdir()))
    for tag in wrong:
        print(f"{tag}: wanted {expected.get(tag)}, found {found.get(tag)}")
    print(f"{folder}: {files} files, {len(found)} tags, {len(records)} steps, {len(wrong)} tags differ")
    sys.exit(1 if wrong or not found else 0)


if __name__ == "__main__":
    main()
