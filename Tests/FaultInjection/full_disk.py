#!/usr/bin/env python3
"""Lets each call that `apus train` makes to write a file fail once, as on a full disk, and looks at what is left.

    Tests/FaultInjection/full_disk.py --apus .build/release/apus            # every call of a short run; needs a C compiler
    Tests/FaultInjection/full_disk.py --apus .build/release/apus --every 7  # every seventh

For each call: the run ends with one line on standard error and exit status 3 (2 when it had not begun) or, where the call
does not matter, with 0; every checkpoint that has its name is whole; and the run, continued with room on the disk, gives
the adapter, the optimizer and the log of a run that nobody disturbed. Linux with a program linked to the shared C library.
"""
import argparse
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from training_runs import Broken, check_whole, checkpoints, command, outcome

STEPS = 3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", default=".build/release/apus", help="the program")
    parser.add_argument("--every", type=int, default=1, help="take each so many-th call")
    parser.add_argument("--first", type=int, default=1, help="the first call to take")
    parser.add_argument("--sticky", action="store_true", help="the disk stays full after the first failure")
    parser.add_argument("--go-on", action="store_true", help="with on_save_failure: continue")
    parser.add_argument("--order", action="store_true", help="check the order of the calls of a save, and no more")
    return parser.parse_args()


def build(folder):
    library = folder / "file_faults.so"
    source = pathlib.Path(__file__).resolve().parent / "file_faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def run(args, output, library=None, extra=(), **faults):
    environment = dict(os.environ)
    if library:
        environment |= {"LD_PRELOAD": str(library), "FAULT_ROOT": str(output)}
        environment |= {f"FAULT_{name.upper()}": str(value) for name, value in faults.items()}
    return subprocess.run(
        command(args.apus, output, STEPS, extra), capture_output=True, text=True, env=environment)


def calls(args, folder, library):
    """What a whole run does to files, in order: (call, path) pairs."""
    log = folder / "calls.txt"
    result = run(args, folder / "undisturbed", library, at=0, log=log)
    if result.returncode != 0:
        raise Broken(f"the undisturbed run: exit status {result.returncode}: {result.stderr.strip()}")
    return [tuple(line.split(" ", 2)[1:]) for line in log.read_text().splitlines()]


def check_order(made):
    """A power cut may keep any call from the disk that no fsync has put there: each file of a checkpoint is synchronised
    after its last change, then its folder, then the folder gets its name, then the folder around it is synchronised."""
    renames = [index for index, (name, path) in enumerate(made)
               if name == "rename" and "/.checkpoint-draft-" in path.split(" -> ")[0] and "/checkpoint-" in path.split(" -> ")[1]
               and path.split(" -> ")[0].count("/") == path.split(" -> ")[1].count("/")
               and path.split(" -> ")[1].rsplit("/", 1)[1].startswith("checkpoint-")]
    if len(renames) != STEPS:
        raise Broken(f"wanted {STEPS} checkpoints to get their names, found {len(renames)}")
    for index in renames:
        draft, target = made[index][1].split(" -> ")
        changed, synchronised, folder_synchronised = set(), set(), False
        for name, path in made[:index]:
            subject = path.split(" -> ")[-1]
            if name in ("create", "write", "rename") and subject.startswith(draft + "/"):
                changed.add(subject)
                synchronised.discard(subject)
                folder_synchronised = False
            elif name == "fsync" and path.startswith(draft + "/"):
                synchronised.add(path)
            elif name == "fsync" and path == draft:
                folder_synchronised = True
        final = {path for path in changed if (pathlib.Path(target) / pathlib.Path(path).name).exists()}
        if pathlib.Path(target).exists() and not final <= synchronised:
            raise Broken(f"{sorted(final - synchronised)} are renamed before they are on disk")
        if not folder_synchronised:
            raise Broken(f"{draft} is renamed before it is on disk")
        if ("fsync", str(pathlib.Path(target).parent)) not in made[index:]:
            raise Broken(f"{target}: the folder around it is not put on disk")


def take(args, folder, library, call, wanted):
    """Lets one call fail. Returns the exit status."""
    output = folder / "run"
    go_on = ["--on_save_failure=continue"] if args.go_on else []
    result = run(args, output, library, go_on, at=call, sticky=int(args.sticky))
    lines = [line for line in result.stderr.splitlines() if "another run" not in line]
    if result.returncode not in (0, 2, 3):
        raise Broken(f"call {call}: exit status {result.returncode}: {result.stderr.strip()}")
    if result.returncode != 0 and not (lines and lines[-1].startswith("apus: ") and "no space left" in lines[-1]):
        raise Broken(f"call {call}: the message does not name the cause: {result.stderr.strip()}")
    for checkpoint in checkpoints(output):
        check_whole(checkpoint)
    # A run that got to its end has nothing left to do but to put its log right.
    extra = ["--resume_from_checkpoint", "true"] if checkpoints(output) else []
    again = run(args, output, extra=extra)
    if again.returncode != 0:
        raise Broken(f"call {call}: continued: exit status {again.returncode}: {again.stderr.strip()}")
    found = outcome(output, STEPS)
    for part, value in wanted.items():
        if found[part] != value:
            raise Broken(f"call {call}: {part} differs from that of the undisturbed run")
    shutil.rmtree(output)
    return result.returncode


def main():
    args = arguments()
    args.apus = pathlib.Path(args.apus).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="apus-full-disk-")).resolve()
    try:
        library = build(folder)
        made = calls(args, folder, library)
        check_order(made)
        print(f"{len(made)} calls, in the order that a power cut asks for")
        if not args.order:
            wanted = outcome(folder / "undisturbed", STEPS)
            taken = range(args.first, len(made) + 1, args.every)
            statuses = collections.Counter(take(args, folder, library, call, wanted) for call in taken)
            ends = ", ".join(f"{count} with status {status}" for status, count in sorted(statuses.items()))
            print(f"{len(taken)} of them failed once, runs ended {ends}; continued, each gave the undisturbed result")
    except Broken as error:
        print(f"full_disk: {error} (files are in {folder})", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
