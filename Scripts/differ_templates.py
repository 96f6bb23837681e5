"""Looks for templates that Apus and Jinja2, set up as transformers does, render differently.

    VENV/bin/python Scripts/differ_templates.py --seconds 3600 --seed 1 --program Fuzzing/.build/release/RenderTemplates

The program answers each line {"template": …, "variables": …} with {"output": …} or {"error": …, "code": …}. Where both fail
they agree; what Apus refuses by name (templateUnsupported, templateLimit) is counted apart. A difference is shown with the
smallest template that still has it.
"""

import argparse
import collections
import copy
import json
import random
import re
import signal
import time
import warnings

from line_program import Program
from transformers.utils.chat_template_utils import _compile_jinja_template

DATA = {
    "a": 3, "b": -7, "c": 2.5, "t": True, "f": False, "nil": None, "s": "Hello, wORLD", "u": "é ÉÇ ß 日本", "e": "", "p": "  x-y z\n",
    "l": [3, 1, 2], "w": ["b", "A", "a"], "mix": [1, "two", None, 2.0, [3]], "d": {"k": 1, "z": "v", "items": 2}, "ll": [[1, 2], [3]],
    "m": [{"role": "user", "content": "Hi <b>", "n": 2}, {"role": "assistant", "content": "Yo", "n": 1}, {"role": "user", "content": ""}],
}  # fmt: skip
TEXTS = ["", " ", "\n", "a", "A b", "  x\n", "<|im_start|>", "é", "{ }", "#", "\n\n", "\t", "x\r\ny", "it's"]
# What a value of a kind can be: text with the kinds of its parts in braces. s is a text, n a number, i a small whole number,
# l a list, w a list of texts, m a list of messages, d a mapping, b a truth value, v anything, q a text in quotes.
RULES = {
    "s": ["{q}", "{q}", "s", "u", "p", "e", "x", "{s}|{textfilter}", "{s}.{textmethod}()", "({s} ~ {v})", "({s} + {s})", "({s} * {i})", "{w}|join({q})",
          "{l}|join({q})", "{v}|string", "{w}|first", "{w}|last", "m[{i}].content", "m[0]['role']", "{v}|tojson", "{v}|tojson(indent={i})",
          "{d}|tojson(sort_keys={b})", "({s} if {b} else {s})", "{s}[{i}:]", "{s}[:{i}]", "{s}[::-1]", "{s}[{i}]", "{s}|replace({q}, {s})",
          "{s}.replace({q}, {s}, {i})", "{s}.strip({q})", "{s}.lstrip({q})", "{s}.rstrip({q})", "{s}.center({i})", "{s}|center({i})", "{s}.ljust({i}, '.')",
          "{s}.zfill({i})", "{s}.expandtabs({i})", "{s}|indent({i}, {b}, {b})", "{s}|indent(first={b})", "{s}|truncate(1{i}, {b}, {q}, {i})",
          "{s}|wordwrap(1{i})", "{s}|wordwrap({i})", "{s}|trim({q})", "{q}.join({w})", "{q}.format({v}, {v})", "{form}.format({v}, {v}, k={v})",
          "({percent} % ({v}, {v}))", "('%s|' % {n})", "('%(k)s' % d)", "{percent}|format({n}, {s})", "({s}|e)", "({s}|e + {s})", "{s}|default({q}, {b})", "missing|default({s})",
          "{s}.removeprefix({q})", "{s}.split({q}, {i})[0]", "{s}.rsplit(none, 1)[-1]", "{s}.partition({q})[{i}]", "{n}|filesizeformat({b})", "{d}|urlencode",
          "{s}|urlencode", "{d}|xmlattr", "{w}|max", "{w}|min({b})", "{s}.swapcase()", "{l}|pprint", "dict(a={v})['a']", "{d}.k", "{d}['z']", "{s}|capitalize"],
    "n": ["{i}", "{i}", "a", "b", "c", "0.5", "1e3", "({n} + {n})", "({n} - {n})", "({n} * {n})", "({n} / {n})", "({n} // {n})", "({n} % {n})", "({i} ** {i})", "-{n}",
          "{s}|length", "{l}|length", "{l}|count", "{s}|wordcount", "{s}|int", "{s}|int({n}, {i})", "{s}|float", "{n}|round({i})", "{n}|round(1, {method})", "{n}|abs", "{n}|int",
          "{s}.find({q})", "{s}.count({q})", "{s}.rfind({q}, {i})", "{s}.index({q})", "[{n}, {n}]|sum", "[{n}, {n}]|max", "m|map(attribute='n')|first", "m|sum('n')", "({n} if {b} else {n})", "(1 if {b})"],
    "i": ["0", "1", "2", "3", "4", "-1", "5", "a"],
    "l": ["l", "{w}", "{m}", "mix", "ll", "[{v}, {v}]", "({v}, {v})", "[{n}, {n}, {n}]", "{l}[{i}:]", "{l}[::-1]", "{l}[:{i}:2]", "{l}|list", "{l}|sort", "{l}|reverse|list",
          "{l}|unique|list", "{l}|batch({i}, {v})|list", "{l}|slice({i})|list", "({l} + {l})", "({l} * {i})", "{d}|dictsort", "{d}.items()|list", "range({i})|list",
          "range({i}, {i}, {i})", "{l}|map({anyfilter})|list", "{l}|select({anytest})|list", "{l}|reject({anytest})|list", "{l}|select('in', {l})|list", "{d}|items|list",
          "{m}|groupby('role')", "{m}|groupby('n', default={i})|map('first')|list", "{s}|list", "{d}.values()|list", "[{d}, {l}]", "{l}|select|list", "{n}|list"],
    "w": ["w", "[{s}, {s}]", "{s}.split()", "{s}.split({q})", "{s}.splitlines({b})", "{w}|map({textname})|list", "{w}|sort", "{w}|sort({b}, {b})", "{w}|unique({b})|list",
          "{m}|map(attribute='content')|list", "{m}|map(attribute='role')|unique|list", "{d}|list", "{d}.keys()|list", "{w}[{i}:]", "{w}|select({anytest})|list", "{s}.rsplit({q}, {i})", "{w}|map('replace', {q}, {q})|list", "{s}.partition({q})"],
    "m": ["m", "m", "m[{i}:]", "m|selectattr('role', 'eq', {q})|list", "m|rejectattr('n', 'defined')|list", "m|selectattr('content')|list", "m|sort(attribute='role')", "m|sort(attribute='content,role', reverse={b})", "m|unique(attribute='role')|list", "m|selectattr('n', 'gt', {i})|list", "m[::-1]"],
    "d": ["d", "d", "{{'k': {v}, {q}: {v}}}", "{{{i}: {v}, none: {s}}}", "dict(d, z={v})", "m[0]", "dict(k={v})", "{{}}", "d.copy()", "dict({d}.items())", "{{{b}: {n}, {n}: 1}}"],
    "b": ["true", "false", "t", "f", "({n} < {n})", "({n} >= {n})", "({v} == {v})", "({s} != {s})", "({s} < {s})", "({l} == {l})", "({s} in {s})", "({v} in {l})", "({q} not in {d})", "(not {v})", "({b} and {b})",
          "({b} or {v})", "({v} is {anytestname})", "({v} is not {anytestname})", "({n} is divisibleby {i})", "({n} is odd)", "({v} is eq {v})", "({v} is in {l})", "{s}.startswith({q})", "{s}.endswith(({q}, {q}))",
          "{s}.isdigit()", "{s}.{question}()", "({n} < {n} <= {n})", "({v} is defined)", "(missing is defined)", "(d.nope is defined)", "({l} < {l})"],
    "v": ["{s}", "{s}", "{n}", "{l}", "{b}", "{d}", "none", "missing", "x", "y", "nil", "({v} or {v})", "({v} and {v})", "({v} if {b} else {v})", "{d}.get({q}, {v})", "{d}[{q}]", "{l}[{i}]", "{l}|first", "{l}|last", "{l}|max", "{d}.items()", "{v}|default({v})", "{l}|sum(start={n})", "mix[{i}]", "{l}.index({v})", "{v}|{anyfiltername}", "{v}.{anymethod}"],
    "q": ["''", "'a'", "'b'", "'A'", "'role'", "', '", "' '", "'x-y'", "'\\\\n'", "'é'", '"it\'s"', "'<'", "'3'", "'user'", "'k'", "'ab'"],
    "form": ["'{{}}'", "'{{0}}-{{1}}'", "'{{:>5}}'", "'{{!r}}'", "'{{:.2f}}'", "'{{k}}'", "'{{0:<4}}|{{k!s:^6}}'", "'{{:,}}'", "'{{:05}}'", "'{{:x}}'", "'{{:e}}'", "'{{:%}}'", "'{{:.3}}'", "'{{0[0]}}'"],
    "percent": ["'%s-%s'", "'%d|%s'", "'%5.1f %r'", "'%x%s'", "'%-6s|%3d'", "'%+d %e'", "'%05d%%%s'", "'%g %a'"],
    "method": ["'common'", "'ceil'", "'floor'"],
    "textfilter": ["upper", "lower", "title", "capitalize", "trim", "e", "forceescape", "safe", "striptags", "string", "reverse", "center(9)"],
    "textname": ["'upper'", "'lower'", "'title'", "'trim'", "'length'", "'string'", "'first'", "'e'", "'default', 'q'"],
    "textmethod": ["upper", "lower", "title", "capitalize", "strip", "swapcase", "lstrip", "rstrip", "casefold"],
    "question": ["isalnum", "isalpha", "islower", "isspace", "istitle", "isupper", "isnumeric", "isdecimal", "isascii", "isprintable", "isidentifier"],
    "anyfiltername": ["abs", "capitalize", "count", "default('z')", "dictsort", "e", "first", "float", "int", "items", "join", "last", "length", "list", "lower", "max", "min", "reverse", "round",
                      "sort", "string", "sum", "title", "tojson", "trim", "unique", "upper", "urlencode", "wordcount", "xmlattr", "attr('upper')", "batch(2)", "format(1)", "select", "striptags", "pprint"],
    "anytestname": ["boolean", "callable", "defined", "escaped", "false", "float", "integer", "iterable", "lower", "mapping", "none", "number", "sequence", "string", "true", "undefined", "upper"],
    "anymethod": ["upper()", "items()", "keys()", "get('k')", "items", "k", "role", "0", "index(1)", "count(1)", "nope", "append(1)", "real", "is_integer()", "copy()"],
}  # fmt: skip
RULES["anyfilter"] = ["'" + name + "'" for name in RULES["anyfiltername"] if "(" not in name]
RULES["anytest"] = ["'" + name + "'" for name in RULES["anytestname"] + ["odd", "even"]]
# What ends a value that is deep enough.
LEAVES = {"s": ["s", "u", "{q}", "x"], "n": ["{i}", "c"], "l": ["l", "mix", "w"], "w": ["w"], "m": ["m"], "d": ["d"], "b": ["t", "f"], "v": ["x", "y", "s", "a", "nil", "l", "missing"]}


class Grammar:
    """Makes templates as trees: a node is a list of strings and nodes, so that a smaller one is found by taking parts away."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def one(self, options):
        return self.r.choice(options)

    def value(self, depth, kind=None):
        """A value of a kind, and now and then of another, which may fail."""
        kind = kind or self.one("ssnlbdv")
        if len(kind) == 1 and kind != "q" and self.r.random() < 0.03:
            kind = self.one("snlbdv")
        rules = LEAVES[kind] if depth <= 0 and kind in LEAVES else RULES[kind]
        rule = self.one(rules)
        # Behind a filter's name a dot would be a part of it.
        rule = f"({rule})" if "|" in rule and rule[0] != "(" else rule
        parts = re.split(r"\{(\w+)\}", rule.replace("{{", "\1").replace("}}", "\2"))
        return [self.value(depth - 1, part) if index % 2 else part.replace("\1", "{").replace("\2", "}") for index, part in enumerate(parts)]

    def open(self):
        return self.one(["{%", "{%", "{%", "{%-", "{%+"]) + " "

    def close(self):
        return " " + self.one(["%}", "%}", "%}", "-%}", "+%}"])

    def tag(self, *parts):
        return [self.open(), *parts, self.close()]

    def body(self, depth):
        return [self.statement(depth) for _ in range(self.r.randint(1, 3))]

    def statement(self, depth):
        kind = self.r.random()
        if depth <= 0 or kind < 0.35:
            return [self.one(["{{", "{{", "{{-"]), " ", self.value(3), " ", self.one(["}}", "}}", "-}}"])]
        if kind < 0.47:
            return self.one(TEXTS)
        body = lambda: self.body(depth - 1)  # noqa: E731
        if kind < 0.57:
            return [self.tag("if ", self.value(2, "b")), body(), self.one(["", [self.tag("elif ", self.value(2, "b")), body()]]),
                    self.one(["", [self.tag("else"), body()]]), self.tag("endif")]  # fmt: skip
        if kind < 0.70:
            target = self.one(["x", "x", "x", "y", "y", "x", "x, y"])
            source = self.one(["l", "w", "m", "d", "ll", "d.items()", "range(3)", "m|map(attribute='role')", self.value(2, "l")])
            condition = self.one(["", "", [" if ", self.value(2, "b")]])
            inside = [*body(), self.one(["", ["{{ loop.", self.one(["index", "last", "length", "revindex0", "depth", "previtem", "first"]), " }}"],
                                         "{{ loop.cycle('a', 'b') }}", "{{ loop.changed(x) }}"]),
                      self.one(["", "", [self.tag("if ", self.value(2, "b")), self.tag(self.one(["break", "continue"])), self.tag("endif")]])]  # fmt: skip
            return [self.tag("for ", target, " in ", source, condition), inside, self.one(["", [self.tag("else"), body()]]), self.tag("endfor")]
        if kind < 0.80:
            return self.tag("set ", self.one(["x", "y", "x", "y", "x, y"]), " = ", self.value(3))
        if kind < 0.83:
            return [self.tag("set ", self.one(["x", "y"]), self.one(["", "|upper", "|trim"])), body(), self.tag("endset")]
        if kind < 0.87:
            name = self.one(["f1", "f2"])
            return [self.tag("macro ", name, self.one(["(x)", "(x, y=1)", "(x=2, y=x)", "()"])), body(),
                    self.one(["", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller is defined }}"]), self.tag("endmacro"),
                    "{{ ", name, "(", self.one(["", self.value(2), ["y=", self.value(1)], "1, 2, 3"]), ") }}"]  # fmt: skip
        if kind < 0.89:
            return [self.tag("macro g(x=1)"), "<{{ caller(", self.one(["", "x"]), ") }}>", self.tag("endmacro"),
                    self.tag("call", self.one(["", "(y)", "(y=3)"]), " g()"), body(), self.tag("endcall")]  # fmt: skip
        if kind < 0.92:
            return [self.tag("filter ", self.one(["upper", "trim", "indent(2)", "replace('a', 'b')", "length", "title|e"])), body(), self.tag("endfilter")]
        if kind < 0.95:
            return [self.tag("with ", self.one(["x = ", "y = "]), self.value(2)), body(), self.tag("endwith")]
        if kind < 0.96:
            return ["{% raw %}", self.one(TEXTS), "{{ x }}", self.one(["{% endraw %}", "{%- endraw -%}"])]
        if kind < 0.97:
            return [self.one(["{#", "{#-"]), " c ", self.one(["#}", "-#}"])]
        if kind < 0.98:
            return [self.tag("generation"), body(), self.tag("endgeneration")]
        return [self.tag("set ns = namespace(v=", self.value(1), ")"), self.tag("for x in l"), self.tag("set ns.v = ", self.one(["x", ["ns.v ~ x"], self.value(2)])),
                self.tag("endfor"), "{{ ns.v }}"]  # fmt: skip

    def template(self):
        return [self.statement(3) for _ in range(self.r.randint(1, 3))]


def text(node):
    return node if isinstance(node, str) else "".join(text(part) for part in node)


class Timeout(Exception):
    pass


def expire(*_):
    raise Timeout


def reference(template):
    """The text that Jinja2 makes, None where it fails, and no result where it takes too long or prints an address."""
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        result = _compile_jinja_template(template).render(**copy.deepcopy(DATA))
    except (Timeout, MemoryError, RecursionError):
        return False, None
    except Exception:  # noqa: BLE001: whatever fails there is to fail here
        return True, None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if re.search(r"0x[0-9a-f]{6,}|&lt;generator|<generator|<built-in|<bound", result):
        return False, None
    return True, result


def ask(program, templates):
    return program.answers([{"template": template, "variables": DATA} for template in templates])


REFUSED = ("templateUnsupported", "templateLimit")


def differs(template, answer):
    known, wanted = reference(template)
    if not known or answer.get("code") in REFUSED:
        return None
    if answer.get("output") == wanted:
        return None
    return wanted, answer.get("output", answer.get("error"))


def places(node, path=()):
    """The paths of all nodes that can be taken away or replaced by one of their parts, the largest first."""
    yield path
    if not isinstance(node, str):
        for index, part in enumerate(node):
            yield from places(part, (*path, index))


def replaced(node, path, new):
    if not path:
        return new
    result = list(node)
    result[path[0]] = replaced(node[path[0]], path[1:], new)
    return result


def at(node, path):
    for index in path:
        node = node[index]
    return node


def smallest(tree, program):
    """Takes parts away as long as the difference stays one."""
    changed = True
    while changed:
        changed = False
        for path in sorted(places(tree), key=len):
            node = at(tree, path)
            options = ["", "x", "1"] + ([] if isinstance(node, str) else list(node))
            candidates = [replaced(tree, path, option) for option in options if text(option) != text(node) and len(text(option)) < len(text(node))]
            if not candidates:
                continue
            for candidate, answer in zip(candidates, ask(program, [text(c) for c in candidates])):
                if differs(text(candidate), answer):
                    tree, changed = candidate, True
                    break
            if changed:
                break
    return tree


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", required=True)
    parser.add_argument("--most", type=int, default=20, help="differences to show before it stops")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, expire)
    # Python warns of what the templates it compiles for Jinja2 do.
    warnings.simplefilter("ignore")
    program, seed, counts, refusals, shown = Program(options.program), options.seed, collections.Counter(), collections.Counter(), set()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end and len(shown) < options.most:
        trees = []
        for _ in range(100):
            trees.append(Grammar(seed).template())
            seed += 1
        for tree, answer in zip(trees, ask(program, [text(tree) for tree in trees])):
            counts["templates"] += 1
            counts["rendered"] += "output" in answer
            if answer.get("code") in REFUSED:
                counts["refused"] += 1
                refusals[re.sub(r".*line \d+: ", "", answer["error"])[:70]] += 1
            if not differs(text(tree), answer):
                continue
            tree = smallest(tree, program)
            template = text(tree)
            found = differs(template, ask(program, [template])[0])
            if found and template not in shown:
                shown.add(template)
                print("DIFFERS", json.dumps(template), "\n  Jinja2:", json.dumps(found[0]), "\n  Apus:  ", json.dumps(found[1]), flush=True)
    print(dict(counts), "seeds", options.seed, "to", seed - 1, "differences", len(shown))
    for message, count in refusals.most_common(12):
        print(f"{count:8} {message}")


if __name__ == "__main__":
    main()
