#!/usr/bin/env python3
"""Ends with status 1 when a declaration that other modules can see lacks documentation, or has some that is not so.

    Scripts/check_docs.py [BUILD]

BUILD is the folder of a finished build (.build/debug unless given). It asks the compiler, by symbol graphs, for the public
and package declarations of every module:

- each has a comment, its own or that of the protocol it comes from;
- one that throws says what, under `- Throws:`;
- parameters that are described exist;
- every type that `import Apus` gives is named on the first page of the library's reference.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile

import symbol_graphs

# Coding is described by the standard library's protocols, and these throw what those say.
CODING = ("init(from:)", "encode(to:)")
OUTLINE = re.compile(r"\s*- Parameters:\s*$")
OUTLINED = re.compile(r"\s+- (\w+):")
SINGLE = re.compile(r"\s*- Parameter (\w+):")


def throws(symbol):
    """Whether a function or an accessor throws by itself, rather than a closure among its parameters."""
    depth = 0
    for fragment in symbol["declarationFragments"]:
        if fragment["kind"] == "keyword" and fragment["spelling"] == "throws" and depth == 0:
            return symbol["kind"]["identifier"] != "swift.typealias"
        depth += fragment["spelling"].count("(") - fragment["spelling"].count(")")
    return False


def described_parameters(lines):
    in_outline = False
    for line in lines:
        if OUTLINE.match(line):
            in_outline = True
        elif match := SINGLE.match(line):
            yield match[1]
        elif in_outline and (match := OUTLINED.match(line)):
            yield match[1]
        elif line.startswith("- "):
            in_outline = False


def faults(symbol, module):
    comment = symbol.get("docComment")
    if comment is None:
        yield "has no comment"
        return
    if comment.get("module", module) != module:
        return
    lines = [line["text"] for line in comment["lines"]]
    names = {name for parameter in symbol.get("functionSignature", {}).get("parameters", ())
             for name in (parameter["name"], parameter.get("internalName"))}
    for name in described_parameters(lines):
        # Cases and closures have no signature in the graph.
        if "functionSignature" in symbol and name not in names:
            yield f"describes a parameter {name} that it does not have"
    if throws(symbol) and symbol["pathComponents"][-1] not in CODING:
        refers = lines[0].startswith("See `")
        if not refers and not any(line.startswith("- Throws:") for line in lines):
            yield "throws, and has no line `- Throws:` that says what"


def place(symbol, module):
    location = symbol.get("location")
    if location is None:
        return module
    file = pathlib.Path(location["uri"].removeprefix("file://"))
    file = file.relative_to(symbol_graphs.root) if file.is_relative_to(symbol_graphs.root) else file
    return f"{file}:{location['position']['line'] + 1}"


def graphs(folder):
    for path in sorted(pathlib.Path(folder).glob("*.symbols.json")):
        yield path.name.split(".")[0].split("@")[0], json.loads(path.read_text(encoding="utf-8"))["symbols"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=".build/debug", metavar="BUILD")
    build = parser.parse_args().build
    found, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for module in [symbol_graphs.umbrella, *symbol_graphs.modules]:
            symbol_graphs.extract(build, module, folder, level="package")
        for module, symbols in graphs(folder):
            count += len(symbols)
            found += [f"{place(symbol, module)}: {'.'.join(symbol['pathComponents'])} {fault}"
                      for symbol in symbols for fault in faults(symbol, module)]
    with tempfile.TemporaryDirectory() as folder:
        symbol_graphs.extract(build, symbol_graphs.umbrella, folder, reexported=symbol_graphs.modules)
        catalog = symbol_graphs.root / "Sources/Apus/Apus.docc/Apus.md"
        named = set(re.findall(r"^- ``(\w+)``", catalog.read_text(encoding="utf-8"), flags=re.MULTILINE))
        public = {symbol["pathComponents"][0] for _, symbols in graphs(folder) for symbol in symbols}
        found += [f"{catalog.relative_to(symbol_graphs.root)}: {name} is missing" for name in sorted(public - named)]
    print("\n".join(sorted(found)) if found else f"{count} declarations are documented")
    sys.exit(bool(found))


main()
