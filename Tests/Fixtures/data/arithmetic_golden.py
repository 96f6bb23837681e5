"""Makes arithmetic_golden.json: wording, working, number ranges and held-out operands of the generated problems.

    python3 arithmetic_golden.py > arithmetic_golden.json        (standard library only)

This is the definition of the problem family in Python, from which base96 was trained; only the random number generator
differs in Apus.
"""
import itertools
import json

NAMES = ["Tom", "Mia", "Sam", "Ana", "Leo", "Zoe", "Max", "Eva", "Ben", "Ivy", "Dan", "Amy"]
THINGS = ["apples", "books", "coins", "cards", "eggs", "pens", "shells", "stamps", "cookies", "marbles"]
BOXES = ["boxes", "bags", "packs", "jars"]
RANGES = {
    "add": [[5, 70], [5, 70]],
    "sub": [[12, 99], [3, 80]],
    "mul": [[2, 9], [3, 12]],
    "addadd": [[5, 50], [5, 50], [5, 50]],
    "addsub": [[5, 50], [5, 50], [3, 60]],
    "subadd": [[12, 90], [3, 60], [5, 60]],
    "subsub": [[30, 99], [3, 50], [3, 50]],
    "muladd": [[2, 9], [3, 12], [3, 40]],
    "mulsub": [[2, 9], [3, 12], [2, 40]],
    "addmul": [[2, 9], [2, 9], [2, 9]],
    "times": [[3, 12], [2, 9]],
}


def _steps(kind, v):
    a, b = v[0], v[1]; c = v[2] if len(v) > 2 else None
    if kind == "add":    return [(f"{a}+{b}", a + b)]
    if kind == "sub":    return [(f"{a}-{b}", a - b)]
    if kind == "mul":    return [(f"{a}*{b}", a * b)]
    if kind == "addadd": return [(f"{a}+{b}", a + b), (f"{a+b}+{c}", a + b + c)]
    if kind == "addsub": return [(f"{a}+{b}", a + b), (f"{a+b}-{c}", a + b - c)]
    if kind == "subadd": return [(f"{a}-{b}", a - b), (f"{a-b}+{c}", a - b + c)]
    if kind == "subsub": return [(f"{a}-{b}", a - b), (f"{a-b}-{c}", a - b - c)]
    if kind == "muladd": return [(f"{a}*{b}", a * b), (f"{a*b}+{c}", a * b + c)]
    if kind == "mulsub": return [(f"{a}*{b}", a * b), (f"{a*b}-{c}", a * b - c)]
    if kind == "addmul": return [(f"{a}+{b}", a + b), (f"{a+b}*{c}", (a + b) * c)]
    if kind == "times":  return [(f"{a}*{b}", a * b), (f"{a*b}+{a}", a * b + a)]


T = {
 "add": ["{n} has {a} {t} and buys {b} more. How many {t} does {n} have?",
         "{n} has {a} {t}. {m} has {b} {t}. How many {t} do they have together?"],
 "sub": ["{n} has {a} {t} and gives {b} to {m}. How many {t} are left?",
         "{n} has {a} {t}. {m} has {b} fewer. How many {t} does {m} have?"],
 "mul": ["{n} buys {a} {x} with {b} {t} each. How many {t} is that?",
         "There are {b} {t} in each of {a} {x}. How many {t} are there?"],
 "addadd": ["{n} has {a} {t}, finds {b} and buys {c} more. How many {t} does {n} have?"],
 "addsub": ["{n} has {a} {t}, buys {b} more and gives {c} to {m}. How many {t} are left?"],
 "subadd": ["{n} has {a} {t}, sells {b} and then finds {c}. How many {t} does {n} have?"],
 "subsub": ["{n} has {a} {t}, sells {b} and gives {c} to {m}. How many {t} are left?"],
 "muladd": ["{n} buys {a} {x} with {b} {t} each and finds {c} more. How many {t} does {n} have?"],
 "mulsub": ["{n} buys {a} {x} with {b} {t} each and gives {c} to {m}. How many {t} are left?"],
 "addmul": ["Each day {n} finds {a} {t} and buys {b}. How many {t} does {n} have after {c} days?"],
 "times": ["{n} has {a} {t}. {m} has {b} times as many. How many {t} do they have together?"],
}
KINDS = list(T)


def held_out(kind, v):
    """a tenth of all number tuples of each kind is never used for training"""
    h = 2166136261
    for x in (KINDS.index(kind),) + tuple(v):
        h = ((h ^ x) * 16777619) & 0xFFFFFFFF
    return (h >> 7) % 10 == 0


def kind_golden(kind):
    allowed, held, checksum = 0, 0, 0
    examples = []
    for v in itertools.product(*(range(a, b + 1) for a, b in RANGES[kind])):
        s = _steps(kind, v)
        if not all(2 <= r <= 199 for _, r in s):
            continue
        if allowed % 997 == 0:
            examples.append({"operands": v, "steps": [{"expression": e, "result": r} for e, r in s], "heldOut": held_out(kind, v)})
        allowed += 1
        if held_out(kind, v):
            held += 1
            for x in v:
                checksum = (checksum * 31 + x) & 0xFFFFFFFF
    v = examples[-1]["operands"]
    f = dict(n="Tom", m="Mia", t="apples", x="boxes", a=v[0], b=v[1], c=v[2] if len(v) > 2 else "")
    return {
        "kind": kind, "ranges": RANGES[kind], "allowed": allowed, "held": held, "heldChecksum": checksum,
        "examples": examples, "questions": [t.format(**f) for t in T[kind]],
    }


print(json.dumps({
    "names": NAMES, "things": THINGS, "boxes": BOXES, "kinds": [kind_golden(kind) for kind in KINDS],
}).replace('{"kind"', '\n{"kind"'))
