#!/usr/bin/env python3
"""Compiles the kernels in Sources/CCUDA/kernels into the images that Apus ships: no GPU and no CUDA toolkit needed.

    Scripts/build_kernels.py            # writes Sources/CCUDA/images
    Scripts/build_kernels.py --check    # writes nothing: compiles, and holds the images against the sources

NVRTC comes from PyPI (90 MB, into a temporary folder), or from the folder of --nvrtc. Images are part of the repository:
who builds Apus compiles no kernel. A spill, a kernel with more registers than its ceiling, and an image that is not that of
the sources are errors.

Beside the images lie the SHA-256 of all files that they are made of, and their own; without a compiler

    cd Sources/CCUDA && sha256sum --check --quiet images/SHA256SUMS

says whether they belong together.
"""
import argparse
import hashlib
import lzma
import re
import struct
import sys
import tempfile

from nvrtc import KERNELS, PACKAGE, Compiler, CompilerError, install

ROOT = KERNELS.parent
SUMS = ROOT / "images" / "SHA256SUMS"

# By target of the compiler: an image runs on cards of its own generation from its architecture on, which are all that
# there are before Blackwell; the driver compiles the PTX for those since.
IMAGES = {"sm_80": "CUBIN", "sm_89": "CUBIN", "sm_90": "CUBIN", "compute_80": "PTX"}

# The shape of the numbers that LZMA counts apart: instructions are 16 bytes, and PTX is text.
PACKING = {"CUBIN": {"lc": 0, "lp": 4, "pb": 4}, "PTX": {"lc": 3, "lp": 0, "pb": 0}}

# A multiprocessor's registers, those that a thread may have, and the grain in which it gets them.
REGISTERS, MOST, GRAIN = 65536, 255, 8

# Which kernels, how many of their threads have to fit on a multiprocessor at once, and why. The first that fits counts.
CEILINGS = [
    (r"flash_(attend|dq|dkdv)_(96|128|256)|flash_decode_256", 256,
     "two blocks, so that one computes while the other waits: a row of sums this wide lives in registers, and of its "
     "tiles the shared memory of 8.6 and 8.9 holds no third"),
    (r"outer_128", 256,
     "a block: a thread's 64 sums and 64 totals are why a number that is read is used 128 times"),
    (r"flash_(attend|dq|dkdv)_(64|80)|attention_(dq|dkdv)_\w+", 384, "three blocks, as two with half a row of sums"),
    (r"flash_\w+_(16|32)|flash_decode_\d+|attention_(f32|bf16)", 512,
     "four blocks: few queries wait for pages, and the more blocks wait the more pages are on their way"),
    (r"linear_(leaves|whole|wide)", 256,
     "a block: a weight that is unpacked is multiplied with 64 rows or 128, whose sums are registers"),
    (r"linear_(8|16)", 512, "two blocks, of whose warps each has four chunks of a weight on their way"),
    (r"linear_backward_(bf16|int8|nf4)", 512, "two blocks, so that one unpacks while the other multiplies"),
    (r"(linear|outer)_\w+", 768, "six blocks of 128, or three of 256: they bring a tile between barriers, by turns"),
    (r"pack_(nf4|int8)", 1024, "half of 8.0 and 9.0: a lane has its values of a whole chunk in registers, once a weight"),
    (r"attention_dots|rms_norm_backward", 1024, "half of 8.0 and 9.0: several sums a thread, in rows that are read twice"),
    (r"\w+", 1536, "all of 8.6 and 8.9, three quarters of 8.0 and 9.0: they do nothing but wait for memory"),
]


def ceiling(threads):
    """The registers of a kernel of whose threads so many fit on a multiprocessor."""
    return min(MOST, REGISTERS // threads // GRAIN * GRAIN)


def resources(log):
    """(kernel, registers, bytes of spills, bytes of stack) of every kernel in the assembler's words."""
    kernel, spills, stack = None, 0, 0
    for line in log.splitlines():
        if match := re.search(r"(?:Compiling entry function|Function properties for) '?(\w+)", line):
            kernel = match.group(1)
        if match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            stack, spills = int(match.group(1)), int(match.group(2)) + int(match.group(3))
        if match := re.search(r"Used (\d+) registers", line):
            yield kernel, int(match.group(1)), spills, stack


def faults_of(target, found):
    """What is wrong with the resources of kernels."""
    used = set()
    for kernel, registers, spills, stack in found:
        rule = next(rule for rule in CEILINGS if re.fullmatch("apus_(?:" + rule[0] + ")", kernel))
        used.add(rule)
        if spills:
            yield f"{target} {kernel}: {spills} bytes are spilled"
        if registers > ceiling(rule[1]):
            yield (f"{target} {kernel}: {registers} registers, at most {ceiling(rule[1])} are allowed, for {rule[1]} "
                   f"threads on a multiprocessor ({rule[2]})")
    yield from (f"{target}: no kernel is called {rule[0]}; remove its ceiling" for rule in CEILINGS if rule not in used)


def pack(image, kind):
    """An image as a file of LZMA (`xz --format=lzma`) that says its size."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23, **PACKING[kind]}]
    packed = lzma.compress(image, format=lzma.FORMAT_ALONE, filters=filters)
    return packed[:5] + struct.pack("<Q", len(image)) + packed[13:]


def unpack(path):
    """The image in a file; None where there is none."""
    try:
        return lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError):
        return None


def sums():
    """The lines of SHA256SUMS for what lies there."""
    files = sorted((ROOT / "kernels").iterdir()) + sorted((ROOT / "images").glob("*.lzma"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}" for path in files]
    return f"# Written by Scripts/build_kernels.py with {PACKAGE}.\n" + "\n".join(lines) + "\n"


def compile_all(compiler, verbose):
    """(target, kind, image) of all images, and what is wrong with their kernels."""
    images, faults = [], []
    for target, kind in IMAGES.items():
        image, log = compiler.compile(target, kind, *(["--ptxas-options=-v"] if kind == "CUBIN" else []))
        images.append((target, kind, image))
        found = list(resources(log))
        print(f"{target}: {len(image)} bytes" + (f", {len(found)} kernels" if found else ""), flush=True)
        if verbose:
            for kernel, registers, spills, stack in found:
                print(f"{target} {kernel}: {registers} registers, {spills} bytes spilled, stack {stack}")
        if kind == "CUBIN":
            faults += faults_of(target, found)
    return images, faults


def differences(images):
    """Which images in the repository are not these."""
    for target, kind, image in images:
        path = ROOT / "images" / f"{target}.{kind.lower()}.lzma"
        if unpack(path) != image:
            yield f"{path.name} is not the image of the sources; run Scripts/build_kernels.py"
    if not SUMS.exists() or SUMS.read_text() != sums():
        yield "SHA256SUMS are not those of the sources and images; run Scripts/build_kernels.py"


def write(images):
    SUMS.parent.mkdir(exist_ok=True)
    for old in SUMS.parent.iterdir():
        old.unlink()
    for target, kind, image in images:
        (SUMS.parent / f"{target}.{kind.lower()}.lzma").write_bytes(pack(image, kind))
    SUMS.write_text(sums())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvrtc", help="a folder with NVIDIA's package nvidia-cuda-nvrtc")
    parser.add_argument("--check", action="store_true", help="compile and compare, write nothing")
    parser.add_argument("--if-possible", action="store_true", help="do nothing where the compiler cannot be had")
    parser.add_argument("--verbose", action="store_true", help="print the registers of every kernel")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.nvrtc and not install(folder):
            message = f"{PACKAGE} cannot be installed"
            if not arguments.if_possible:
                sys.exit(message)
            print(f"{message}: the check is skipped")
            return
        compiler = Compiler(arguments.nvrtc or folder)
        images, faults = compile_all(compiler, arguments.verbose)
    if compiler.version() not in PACKAGE:
        faults.append(f"NVRTC {compiler.version()} is not that of {PACKAGE}, which the images are made with")
    if arguments.check:
        faults += differences(images)
    elif not faults:
        write(images)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    try:
        main()
    except CompilerError as error:
        sys.exit(str(error))
