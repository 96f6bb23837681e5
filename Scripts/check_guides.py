#!/usr/bin/env python3
"""Ends with status 1 when a README or a page in docs/ says what is not so, as far as a program can tell.

    Scripts/check_guides.py [BUILD]

BUILD is the folder of a finished build (.build/debug unless given). It checks that

- links lead to files, and to headings that exist;
- Swift code type-checks against the library;
- commands have options that the program takes, and YAML files keys that it knows;
- types, tests, files and messages that pages name are there;
- both READMEs show the same commands and link to the same places.
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import symbol_graphs

root = pathlib.Path(__file__).resolve().parent.parent
pages = [root / "README.md", root / "README.zh.md", *sorted((root / "docs").glob("*.md")),
         root / "Recipes/demo/README.md", root / "Scripts/README.md", root / "Sources/Apus/Apus.docc/Apus.md"]
FENCE = re.compile(r"^ *```(\w*)$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OPTION = re.compile(r"^--[a-z][a-z_-]*$")


def blocks(text):
    """Code with its language and the number of its first line; indented code has none."""
    lines, code, language = text.split("\n"), [], None
    for number, line in enumerate(lines + [""], start=1):
        fence = FENCE.match(line)
        if language is not None:
            if fence:
                yield language, first, "\n".join(code)
                code, language = [], None
            else:
                code.append(line)
        elif fence:
            language, first, code = fence[1], number + 1, []
        elif line.startswith("    ") or (code and not line.strip()):
            if not code:
                first = number
            code.append(line[4:])
        elif code:
            yield "", first, "\n".join(code).rstrip()
            code = []


def headings(path):
    """Anchors as GitHub makes them: lower case, punctuation gone, spaces to dashes."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("#"):
            title = line.lstrip("#").strip().replace("`", "").lower()
            yield re.sub(r"[^\w\- ]", "", title).replace(" ", "-")


def broken_links(page, text):
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^    .*$", "", prose, flags=re.MULTILINE)
    for link in LINK.findall(prose):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in headings(target):
            yield f"{link}: there is no such heading"


def swift_faults(text, build):
    """What the compiler says of Swift code; programs of one page are apart from each other."""
    for language, line, code in blocks(text):
        if language != "swift":
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".swift") as file:
            file.write(code if "import Apus" in code else "import Apus\n" + code)
            file.flush()
            command = ["swiftc", "-typecheck", "-swift-version", "6", "-I", f"{build}/Modules",
                       *symbol_graphs.module_maps(build), file.name]
            result = subprocess.run(command, capture_output=True, text=True)
        errors = [line for line in result.stderr.split("\n") if "error:" in line]
        if result.returncode != 0:
            yield line, f"Swift: {errors[0] if errors else result.stderr}"


class Program:
    """What the program takes, asked of itself."""

    def __init__(self, path):
        self.path = path
        self.helps = {}
        reference = self.output("reference")
        self.keys = set(re.findall(r"^\| `([^`]+)`", reference, flags=re.MULTILINE)) | set(
            name for names in re.findall(r"Also ([^|]*)", reference) for name in re.findall(r"`(\w+)`", names))
        self.keys |= set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", reference, flags=re.MULTILINE))))

    def output(self, *arguments):
        return subprocess.run([self.path, *arguments], capture_output=True, text=True).stdout

    def options(self, command):
        if command not in self.helps:
            text = self.output(command, "--help")
            parts = re.findall(r"^  (\w+) ", text.partition("SUBCOMMANDS:")[2], flags=re.MULTILINE)
            text += "".join(self.output(command, part, "--help") for part in parts)
            self.helps[command] = set(re.findall(r"--[a-z][a-z-]*", text))
        return self.helps[command]

    def knows(self, command, option):
        if option in self.options(command):
            return True
        return command in ("train", "sft", "plan", "data") and option[2:].replace("-", "_") in self.keys | SFT_KEYS


# Keys of supervised training alone; docs/sft.md has their table.
SFT_KEYS = {"packing", "max_length", "completion_only_loss", "assistant_only_loss", "completion_column",
            "dataset_text_field", "from_scratch", "direct_share", "slip_rate"}


def commands(code):
    """The words of each command of the program, continued lines together, without what a shell puts in."""
    for line in re.sub(r"\\\n\s*", " ", code).split("\n"):
        line = re.sub(r"^(\$|swift run -c release|nohup) ", "", line.strip())
        for part in re.split(r" && | ; |\|", line):
            part = part.strip()
            if re.match(r"(apus|\S*release/apus) ", part):
                try:
                    yield shlex.split(part, comments=True)[1:]
                except ValueError:
                    continue


def command_faults(text, program):
    listed = set(re.findall(r"^  (\w+) ", program.output("--help").partition("SUBCOMMANDS:")[2], flags=re.MULTILINE))
    for language, line, code in blocks(text):
        if language in ("swift", "python", "json", "yaml"):
            continue
        for words in commands(code):
            if words[0] not in listed:
                if re.fullmatch(r"[a-z]+", words[0]):
                    yield line, f"apus {words[0]}: there is no such command"
                continue
            for word in words[1:]:
                option = word.strip("[]").partition("=")[0]
                if OPTION.match(option) and option != "--key" and not program.knows(words[0], option):
                    yield line, f"apus {words[0]} {option}: there is no such option"
            for word in words[1:]:
                if re.fullmatch(r"(Recipes|Scripts|Examples)/[\w./-]+", word) and not (root / word).exists():
                    yield line, f"{word}: there is no such file"


def script_faults(text):
    """Scripts that are called or named have to be there, and take the options that they are given."""
    for name in set(re.findall(r"\b((?:Recipes|Scripts|Examples|Sources|Tests)/[\w./-]+\w)", text)):
        if not (root / name).exists():
            yield f"{name}: there is no such file"
    # In blocks and in code within a line, as in the table of Scripts/README.md.
    for code in [code for _, _, code in blocks(text)] + re.findall(r"`([^`\n]+)`", text):
        for line in re.sub(r"\\\n\s*", " ", code).split("\n"):
            if match := re.search(r"\b((?:Scripts|Tests)/[\w/]+\.(?:py|sh)) (.*)", line):
                source = (root / match[1]).read_text(encoding="utf-8") if (root / match[1]).exists() else ""
                for option in re.findall(r"(--[a-z][a-z-]*)", match[2].partition("#")[0]):
                    if option not in source:
                        yield f"{match[1]} {option}: there is no such option"


def name_faults(text, sources):
    """Words in code style that look like a type or a test, and their members."""
    for name in sorted(set(re.findall(r"\b\w+Tests\b", text))):
        if name not in sources:
            yield f"{name}: there are no such tests"
    for name in set(re.findall(r"`([A-Z]+[a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w*)(?:\.(\w+))?[^`]*`", text)):
        for part in filter(None, name):
            if not re.search(rf"\b{part}\b", sources):
                yield f"{'.'.join(filter(None, name))}: there is no such name"
                break


def message_faults(text, sources):
    """What the first column of a table of messages quotes has to be in the sources, apart from what an ellipsis leaves out."""
    for row in re.findall(r"^\| `([^`]* [^`]*)` \|", text, flags=re.MULTILINE):
        for piece in re.split(r"[\s:<]*…[\s:>]*|'", row):
            if len(piece) > 12 and piece not in sources:
                yield f"{piece}: no message says so"


def readme_faults():
    english, chinese = (page.read_text(encoding="utf-8") for page in pages[:2])

    def shown(text):
        return [re.sub(r" {2,}#.*", "", code) for _, _, code in blocks(text)]

    for a, b in zip(shown(english), shown(chinese)):
        if a != b:
            yield f"not the same code in both: {a.split(chr(10))[0]}"
    if len(shown(english)) != len(shown(chinese)):
        yield f"{len(shown(english))} pieces of code in one, {len(shown(chinese))} in the other"
    links = [set(LINK.findall(text)) - {"README.md", "README.zh.md"} for text in (english, chinese)]
    for link in sorted(links[0] ^ links[1]):
        yield f"not a link in both: {link}"


def recipe_faults(program):
    """Every recipe resolves as it stands."""
    for recipe in sorted((root / "Recipes").glob("*.yaml")) + sorted((root / "Recipes/demo").glob("*.yaml")):
        command = "sft" if recipe.name.startswith("sft") else "train"
        given = [] if re.search(r"^model_name_or_path", recipe.read_text(encoding="utf-8"), flags=re.MULTILINE) else [
            "--model", "model.gguf"]
        result = subprocess.run([program.path, command, recipe, *given, "--dry-run"], capture_output=True, text=True,
                                cwd=root)
        if result.returncode != 0:
            yield f"{recipe.relative_to(root)}: {result.stderr.strip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=".build/debug", metavar="BUILD")
    build = (root / parser.parse_args().build).resolve()
    program = Program(str(build / "apus"))
    sources = " ".join(path.name for path in (root / "Tests").iterdir()) + "\n".join(
        file.read_text(encoding="utf-8") for folder in ("Sources", "Tests", "Scripts", "Examples")
        for file in sorted((root / folder).rglob("*")) if file.suffix in (".swift", ".py", ".sh", ".h"))
    found = [f"READMEs: {fault}" for fault in readme_faults()]
    found += recipe_faults(program)
    for page in pages:
        text, name = page.read_text(encoding="utf-8"), page.relative_to(root)
        found += [f"{name}: {fault}" for fault in broken_links(page, text)]
        found += [f"{name}:{line}: {fault}" for line, fault in swift_faults(text, build)]
        found += [f"{name}:{line}: {fault}" for line, fault in command_faults(text, program)]
        found += [f"{name}: {fault}" for fault in script_faults(text)]
        found += [f"{name}: {fault}" for fault in name_faults(text, sources)]
        found += [f"{name}: {fault}" for fault in message_faults(text, sources)]
    print("\n".join(found) if found else f"{len(pages)} pages agree with the program")
    sys.exit(bool(found))


main()
