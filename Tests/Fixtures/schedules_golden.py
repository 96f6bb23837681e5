"""Makes schedules.json: the rates of every learning rate schedule of transformers.

Needs torch and transformers. Run in this folder: python schedules_golden.py > schedules.json
"""

import json

import torch
import transformers
from transformers.optimization import get_scheduler

PEAK = 3e-4
CASES = [
    ("linear", {}), ("cosine", {}), ("cosine", {"num_cycles": 1.5}), ("constant", {}), ("constant_with_warmup", {}),
    ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
    ("polynomial", {}), ("polynomial", {"lr_end": 3e-5, "power": 2.0}),
    ("inverse_sqrt", {}), ("inverse_sqrt", {"timescale": 7}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}), ("cosine_with_min_lr", {"min_lr": 6e-5, "num_cycles": 1.5}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {"min_lr": 6e-5, "warmup_lr_rate": 0.2}),
    ("warmup_stable_decay", {"num_decay_steps": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 5, "min_lr_ratio": 0.1, "warmup_type": "cosine", "decay_type": "linear"}),
    ("warmup_stable_decay", {"num_decay_steps": 3, "num_stable_steps": 6, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", {"num_decay_steps": 6, "num_cycles": 1.5}),
]


def rates(kind, arguments, warmup, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=PEAK)
    scheduler = get_scheduler(kind, optimizer, warmup, steps, scheduler_specific_kwargs=dict(arguments))
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


VALUES = [0.5, 0.6, 0.6, 0.59, 0.61, 0.6, 0.6, 0.7, 0.69, 0.68, 0.7, 0.7, 0.7, 0.69, 0.2, 0.3, 0.9, 0.9, 0.9, 0.9]
PLATEAUS = [
    {"mode": "max", "patience": 2}, {"mode": "min", "patience": 1, "factor": 0.5}, {"mode": "max", "patience": 0, "cooldown": 2},
    {"mode": "max", "patience": 1, "threshold": 0.05, "threshold_mode": "abs", "min_lr": 1e-5},
    {"mode": "min", "patience": 0, "factor": 0.3, "threshold": 0.2, "eps": 1e-5},
]


def plateau(arguments):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = get_scheduler("reduce_lr_on_plateau", optimizer, scheduler_specific_kwargs=dict(arguments))
    rates = [PEAK]
    for value in VALUES:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


print(json.dumps({
    "values": VALUES,
    "plateaus": [{"arguments": arguments, "rates": plateau(arguments)} for arguments in PLATEAUS],
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "peak": PEAK,
    "schedules": [
        {"kind": kind, "arguments": arguments, "warmup": warmup, "steps": steps, "rates": rates(kind, arguments, warmup, steps)}
        for kind, arguments in CASES
        for warmup, steps in [(0, 12), (1, 12), (4, 20), (11, 12)]
    ],
}, indent=1))
