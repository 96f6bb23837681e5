#!/usr/bin/env python3
"""Runs `apus train` and compares the memory it took with what `apus plan` said.

    Scripts/check_plan.py APUS [CONFIG.yaml] [--key value ...]

Only Python's standard library is needed. Ends with status 1 when the two differ by more than 15 %.
"""

import json
import os
import subprocess
import sys

TOLERANCE = 0.15
MIB = 1 << 20

if sys.argv[1:] in ([], ["-h"], ["--help"]):
    print(__doc__)
    sys.exit(0 if sys.argv[1:] else 2)
program, *arguments = sys.argv[1:]
plan = json.loads(subprocess.run([program, "plan", *arguments, "--json"], check=True, stdout=subprocess.PIPE).stdout)
child = subprocess.Popen([program, "train", *arguments])
_, status, usage = os.wait4(child.pid, 0)
if status != 0:
    sys.exit(f"check_plan: the run ended with status {os.waitstatus_to_exitcode(status)}")
planned, measured = plan["total_bytes"] / MIB, usage.ru_maxrss * 1024 / MIB
difference = planned / measured - 1
print(f"memory: planned {planned:.0f} MiB, measured {measured:.0f} MiB, {difference:+.1%}")
sys.exit(abs(difference) > TOLERANCE)
