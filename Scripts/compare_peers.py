"""Runs `apus bench` and the programs that it is compared with in turn, on the same machine in the same minutes.

usage: compare_peers.py --apus PATH --gguf FILE --python VENV/bin/python [--hf DIR] [--what grpo,decode,prefill,load]
    [--batches 1,6,24] [--repeat 5] [--tokens 200] [--steps 3] [--generations 6] [--trl-dtype float32]
    [--formats as-is,q4_0,bf16] [--folder DIR] [-- APUS OPTIONS]

grpo is compared with TRL on the Hugging Face folder of the same weights (peers/to_hf.py makes it), the rest with llama.cpp, each
weight format on its own; the best format is the one to compare with. The programs take turns (A B A B ...) --repeat times, each
in a process of its own, so that what else the machine does meets all of them alike. Prints a table of medians; a ratio over 1
says how many times faster, or smaller, Apus is. Then one JSON line for each row of the table, with the figure of every run.
Options after `--` are handed to `apus bench`. Needs nothing but Python; --python has what peers/setup.sh installs.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import apus_command

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
# Of each kind of work: the figures in the JSON of all programs, and whether more is better.
FIGURES = {
    "grpo": [("seconds_per_step", False), ("peak_rss_mib", False)],
    "decode": [("decode_tokens_per_second", True)],
    "prefill": [("prefill_tokens_per_second", True)],
    "load": [("first_token_seconds", False)],
}


class PeerError(Exception):
    """A peer failed, with the end of what it said."""


def peer(options, script, *arguments):
    """The JSON object on the last line that a script of peers/ prints."""
    command = [options.python, os.path.join(PEERS, script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise PeerError(f"{script}: exit code {result.returncode}: {result.stderr.strip()[-400:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def apus(options, kind, *arguments):
    return apus_command.bench(options.apus, kind, options.gguf, [*map(str, arguments), *options.apus_options])


class Contest:
    """One piece of work and the programs that do it: functions that run it once and return its figures."""

    def __init__(self, kind, batch, ours, peers):
        self.kind, self.batch = kind, batch
        self.programs = {"apus": ours, **peers}
        self.runs = {name: [] for name in self.programs}

    @property
    def name(self):
        return f"{self.kind}, batch {self.batch}"

    def turn(self):
        for name, program in self.programs.items():
            figures = program()
            self.runs[name].append(figures)
            key = FIGURES[self.kind][0][0]
            print(f"{self.name}: {name}: {key} {figures[key]:.4g}", file=sys.stderr, flush=True)

    def rows(self):
        """One row for each figure and peer."""
        for key, more_is_better in FIGURES[self.kind]:
            values = {name: [figures[key] for figures in runs] for name, runs in self.runs.items()}
            ours = statistics.median(values["apus"])
            for name in self.programs:
                if name != "apus":
                    theirs = statistics.median(values[name])
                    yield {
                        "what": self.kind, "batch": self.batch, "figure": key, "apus": ours, "peer": name,
                        "peer_value": theirs, "ratio": ours / theirs if more_is_better else theirs / ours,
                        "apus_runs": values["apus"], "peer_runs": values[name],
                    }


def grpo(options):
    group = ["--steps", options.steps, "--tokens", options.tokens]
    trl = [options.hf, "--dtype", options.trl_dtype, "--generations", options.generations, *group]
    return Contest(
        "grpo", options.generations,
        lambda: apus(options, "grpo", "--batch", options.generations, *group),
        {f"trl {options.trl_dtype}": lambda: peer(options, "trl_grpo.py", *trl)},
    )


def against_llama(options, kind, batch):
    shape = ["--batch", batch, "--tokens", options.tokens]
    common = [options.gguf, "--what", kind, "--runs", 1, "--folder", options.folder, *shape]

    def in_format(file_format):
        return lambda: peer(options, "llamacpp_bench.py", *common, "--formats", file_format)

    peers = {f"llama.cpp {name}": in_format(name) for name in options.formats}
    return Contest(kind, batch, lambda: apus(options, kind, "--steps", 1, *shape), peers)


def contests(options):
    for kind in options.what:
        if kind == "grpo":
            yield grpo(options)
        elif kind == "decode":
            yield from (against_llama(options, kind, batch) for batch in options.batches)
        else:
            yield against_llama(options, kind, 1)


def table(rows):
    head = ["work", "figure", "apus", "peer", "its figure", "ratio"]
    cells = [head] + [
        [f"{row['what']} {row['batch']}", row["figure"], f"{row['apus']:.4g}", row["peer"], f"{row['peer_value']:.4g}",
         f"{row['ratio']:.2f}"]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells)]
    words = {0, 1, 3}
    return "\n".join(
        "  ".join(cell.ljust(width) if i in words else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths)))
        for line in cells
    )


def parse():
    arguments, after = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, after = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--hf")
    parser.add_argument("--python", required=True)
    parser.add_argument("--what", default="grpo,decode,prefill,load")
    parser.add_argument("--batches", default="1,6,24")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--generations", type=int, default=6)
    parser.add_argument("--trl-dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--formats", default="as-is,q4_0,bf16")
    parser.add_argument("--folder", help="where llama.cpp's other formats are kept (default: a temporary folder)")
    options = parser.parse_args(arguments)
    options.apus_options = after
    options.what, options.formats = options.what.split(","), options.formats.split(",")
    options.batches = [int(batch) for batch in options.batches.split(",")]
    if unknown := set(options.what) - set(FIGURES):
        parser.error(f"--what: wanted some of {', '.join(FIGURES)}, found {', '.join(sorted(unknown))}")
    if "grpo" in options.what and not options.hf:
        parser.error("--what grpo needs --hf: TRL reads Hugging Face folders (peers/to_hf.py makes one)")
    return options


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or temporary
        rows = []
        for contest in contests(options):
            for _ in range(options.repeat):
                contest.turn()
            rows += contest.rows()
    print(table(rows))
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    try:
        main()
    except (apus_command.ApusError, PeerError) as error:
        sys.exit(f"compare_peers.py: {error}")
