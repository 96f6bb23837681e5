#!/usr/bin/env python3
"""Ends with status 1 when a public or package declaration under Sources has no documentation comment.

    Scripts/check_docs.py

Reads the sources themselves: it takes a second and no build. What a protocol demands or an attribute generates needs no
comment of its own, so witnesses of well-known protocols are left out.
"""

import pathlib
import re
import sys

DECLARATION = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?:@?\w+(?:\([^)]*\))?\s+)*?"
    r"(class|struct|enum|protocol|actor|func|var|let|init|subscript|typealias|case)\b")
# Members that only say again what a protocol of the standard library says.
WITNESSES = re.compile(
    r"\b(init\(from decoder|func encode\(to encoder|var description\b|func hash\(into|static func ==|var debugDescription"
    r"|var errorDescription|init\(\w+Literal)")


# Members that are public without saying so: an enumeration's cases and what a protocol demands.
OPENER = re.compile(r"^( *)(?:@\w+ )*public (?:indirect )?(enum|protocol)\b.*\{$")
MEMBERS = {"enum": re.compile(r"(indirect )?case "), "protocol": re.compile(r"(static |mutating )*(func|var|init|associatedtype)\b")}


def is_documented(lines, number):
    above = number - 1
    while above >= 0 and lines[above].strip().startswith("@"):
        above -= 1
    return above >= 0 and lines[above].strip().startswith("///")


def undocumented(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    indent, members = None, None
    for number, line in enumerate(lines):
        if opener := OPENER.match(line):
            # The code is formatted: members stand four columns further in, and the closing brace below the opener.
            indent, members = len(opener.group(1)), MEMBERS[opener.group(2)]
        elif indent is not None and line == " " * indent + "}":
            indent = None
        own = line[indent + 4:] if indent is not None and line.startswith(" " * (indent + 4)) else ""
        is_public = DECLARATION.match(line) or (own and members.match(own))
        if is_public and " import " not in line and not WITNESSES.search(line) and not is_documented(lines, number):
            yield number + 1, line.strip()


root = pathlib.Path(__file__).resolve().parent.parent
missing = [
    f"{path.relative_to(root)}:{number}: {line}"
    for path in sorted((root / "Sources").rglob("*.swift"))
    for number, line in undocumented(path)
]
print("\n".join(missing) if missing else "every public declaration is documented")
sys.exit(bool(missing))
