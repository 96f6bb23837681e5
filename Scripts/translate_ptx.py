#!/usr/bin/env python3
"""Translates PTX to C++ for the emulator of the tests (Tests/CUDAEmulation), a statement for each instruction.

    Scripts/translate_ptx.py kernels.ptx > kernels.cpp

What an instruction does stands in Tests/CUDAEmulation/ptx_instructions.h. One that is not known here, and whatever else
is not as NVRTC writes it, is an error that names its line.
"""
import bisect
import pathlib
import re
import sys

from ptx_kernel import TYPE, Kernel, members, size, split

# As the driver hands parameters over.
PARAMETERS = {"u64": "long long", "u32": "int", "f32": "float"}


class PTXError(Exception):
    """Something that there is no C++ for: where it stands, what was wanted, what was found."""


class Module:
    """PTX as NVRTC writes it: variables, and kernels."""

    ITEM = re.compile(
        r"\s*(?:\.(?:version|target|address_size)\s[^\n]*"
        r"|\.visible\s+\.entry\s+(?P<entry>\w+)\s*\((?P<parameters>[^)]*)\)(?P<bounds>[^{]*)(?P<body>\{)"
        r"|(?P<variable>\.(?:visible|extern|weak|global|const|shared)\s[^;]*);)")
    STATEMENT = re.compile(r"\s*(?:([\w$]+):(?!:)|([{}])|([^;{}][^;]*);)")
    VARIABLE = re.compile(
        r"(?:\.(?:visible|weak)\s+)?(?P<extern>\.extern\s+)?\.(?P<space>global|const|shared)\s+"
        r"(?:\.align\s+(?P<alignment>\d+)\s+)?\." + TYPE + r"\s+(?P<name>[\w$]+)(?P<count>\[\d*\])?"
        r"(?:\s*=\s*(?P<value>.+))?", re.DOTALL)

    def __init__(self, text, name):
        self.text = re.sub(r"//[^\n]*", "", text)
        self.name = name
        self.lines = [match.end() for match in re.finditer(r"\n", self.text)]
        # The declarations of variables, where they have any, and their addresses, by name.
        self.declarations, self.addresses = {}, {}
        # The C++ of every kernel, by name.
        self.kernels = {}
        self.parse()

    def fault(self, line, wanted, found):
        found = found if isinstance(found, str) else ", ".join(found)
        return PTXError(f"{self.name}:{line}: wanted {wanted}, found '{' '.join(found.split())[:100]}'")

    def line(self, position):
        return bisect.bisect_right(self.lines, position) + 1

    def match(self, pattern, position, wanted):
        found = pattern.match(self.text, position)
        if not found:
            rest = self.text[position:].lstrip()
            raise self.fault(self.line(len(self.text) - len(rest)), wanted, rest.partition("\n")[0])
        return found

    def parse(self):
        position, end = 0, len(self.text.rstrip())
        while position < end:
            item = self.match(self.ITEM, position, "a kernel or a variable")
            position = item.end()
            if item["variable"]:
                line = self.line(item.start("variable"))
                name, declaration = self.variable(line, item["variable"])
                self.declarations[name] = declaration
            elif item["entry"]:
                position = self.kernel(item)
        if not self.kernels:
            raise self.fault(1, "kernels", "none")

    def kernel(self, item):
        """Translates a kernel; gives the position behind it."""
        line = self.line(item.start("entry"))
        parameters = [self.parameter(line, text.strip()) for text in item["parameters"].split(",") if text.strip()]
        kernel = Kernel(self, {name: count for name, _, count in parameters})
        kernel.code += self.bounds(line, item["bounds"])
        position, depth = item.end(), 1
        while True:
            statement = self.match(self.STATEMENT, position, "a statement")
            position = statement.end()
            depth += {"{": 1, "}": -1}.get(statement.group(2), 0)
            if not depth:
                break
            start = statement.start(statement.lastindex)
            kernel.statement(self.line(start), *statement.groups())
        listed = ", ".join(f"{type} {name}" for name, type, _ in parameters)
        body = "\n".join("    " + code for code in kernel.code)
        name = item["entry"]
        self.kernels[name] = (
            f'void {name}({listed}) {{\n{body}\n}}\nconst emulation::Export<&{name}> exported_{name}("{name}");\n')
        return position

    def parameter(self, line, text):
        """The name, the type in C++ and the bytes of a parameter."""
        match = re.fullmatch(
            r"\.param\s+(?:\.(u64|u32|f32)\s+(\w+)|\.align\s+(\d+)\s+\.b8\s+(\w+)\[(\d+)\])", text)
        if not match:
            raise self.fault(line, "parameters of 32 and 64 bits, or structures", text)
        type, name, alignment, structure, count = match.groups()
        if name:
            return name, PARAMETERS[type], size(type)
        return structure, f"Structure<{count}, {alignment}>", int(count)

    def bounds(self, line, text):
        for directive, numbers in re.findall(r"(\S+)([\s\d,]*)", text):
            if directive == ".maxntid":
                yield f"blockHolds<{' * '.join(numbers.replace(',', ' ').split())}>();"
            elif directive != ".minnctapersm":
                raise self.fault(line, "a kernel's bounds", directive)

    # Variables

    def variable(self, line, text):
        """The name of a variable and its C++, after which its address is known."""
        match = self.VARIABLE.fullmatch(text)
        if not match or bool(match["extern"]) != (match["count"] == "[]"):
            raise self.fault(line, "a variable", text)
        type, name, value = match.group(4), match["name"], match["value"]
        count = int((match["count"] or "1").strip("[]") or 0)
        declaration = f"alignas({match['alignment'] or size(type)}) "
        if match["extern"]:
            self.addresses[name], declaration = "dynamicSharedAddress()", ""
        elif match["space"] == "shared":
            self.addresses[name] = f"sharedAddress({name})"
            declaration += f"__shared__ char {name}[{count * size(type)}];"
        else:
            self.addresses[name] = f"addressOf({name})"
            values = ", ".join(self.value(line, text, type) for text in members(value)) if value else ""
            declaration += f"{type} {name}[{count}] = {{{values}}};"
        return name, declaration

    def value(self, line, text, type):
        """A constant, or the address of a variable."""
        if text in self.addresses:
            return f"as<{type}>({self.addresses[text]})"
        if match := re.fullmatch(r"0([fd])([0-9A-Fa-f]{8}|[0-9A-Fa-f]{16})", text):
            if len(match.group(2)) == {"f": 8, "d": 16}[match.group(1)]:
                return f"as<{type}>((b{len(match.group(2)) * 4})0x{match.group(2)})"
        if type[0] in "sub" and re.fullmatch(r"-?\d+", text):
            bits = size(type) * 8
            if -(1 << bits - 1) <= int(text) < 1 << bits:
                return f"({type}){int(text) % (1 << bits)}ull"
        if type == "pred" and text in ("0", "-1"):
            return "true" if text == "-1" else "false"
        raise self.fault(line, f"a value of type {type}", text)

    # C++

    def sources(self, count):
        """The C++ in so many parts of about the same length, of which the first says what the library has."""
        parts = [[] for _ in range(count)]
        for code in sorted(self.kernels.values(), key=len, reverse=True):
            min(parts, key=lambda part: sum(map(len, part))).append(code)
        return [self.source(part, is_first=i == 0) for i, part in enumerate(parts)]

    def source(self, kernels, is_first):
        words = {word for kernel in kernels for word in re.findall(r"\w+", kernel)}
        declarations = [code for name, code in self.declarations.items() if name in words]
        return "\n".join([
            "// Made by Scripts/translate_ptx.py.",
            '#include "ptx_instructions.h"',
            f'#define AT(line) (emulation::Place{{"{self.name}", line}})',
            *([LIBRARY] if is_first else []),
            "namespace ptx {\nnamespace {\n",
            *declarations,
            "",
            *kernels,
            "}\n}\n",
        ])


LIBRARY = """
extern "C" __attribute__((visibility("default"))) emulation::KernelLibrary apus_kernel_library;
const std::map<std::string, emulation::Kernel> *apus_kernel_library(emulation::Machine *machine, size_t machineBytes) {
    if (machineBytes != sizeof *machine) return nullptr;
    emulation::machine = machine;
    return &emulation::kernels();
}
"""


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    try:
        print(Module(path.read_text(), path.name).sources(1)[0])
    except PTXError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
