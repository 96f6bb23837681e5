#!/usr/bin/env python3
"""Do the kernels compute what they must as NVRTC compiles them?

The tests of the CUDA backend run its kernels as C++, in which what the dialect says in PTX has twins. Here the PTX itself
runs: translate_ptx.py makes C++ of it, and the same tests take the kernels from there. They have to be built:
`swift test -c release`, or `swift build --build-tests -c release -Xswiftc -enable-testing`.

    Scripts/check_ptx.py                     # the PTX in Sources/CCUDA/images; then that of the sources for each
                                             # architecture, where it is not the same
    Scripts/check_ptx.py --target sm_80      # that of the sources for one, after changes to kernels

NVRTC comes from PyPI (90 MB, into a temporary folder), or from the folder of --nvrtc. Other options go to `swift test`.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from build_kernels import IMAGES, ROOT, unpack
from nvrtc import PACKAGE, Compiler, CompilerError, install
from translate_ptx import Module, PTXError

PACKAGE_ROOT = pathlib.Path(__file__).resolve().parent.parent
EMULATION = PACKAGE_ROOT / "Tests" / "CUDAEmulation"
# Every operation against the plain device, what a device promises to the bit, products of all kinds; then models.
RUNS = [
    ({}, "ApusCUDATests.EmulatedCard"),
    ({"APUS_TEST_DEVICE": "cuda"}, "TinyModelTests|ApusModelTests.FamilyTests|FullParametersTests"),
]
# Of a kernel not all registers and parameters are used, and its predicates are combined as bits.
FLAGS = [
    "-std=c++20", "-O1", "-march=native", "-fwrapv", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden",
    "-DAPUS_EMULATION", f"-I{EMULATION}", f"-I{ROOT / 'include'}", "-Wall", "-Wextra", "-Werror", "-Wno-unused",
    "-Wno-unused-parameter", "-Wno-bitwise-instead-of-logical",
]
PROCESSORS = os.cpu_count() or 1


class CheckError(Exception):
    """Why nothing could be checked."""


def build(module, folder):
    """A library of a module's kernels, by the compiler that Swift brings."""
    swift = shutil.which("swift")
    if not swift:
        raise CheckError("wanted Swift in PATH, found none")
    compiler = pathlib.Path(swift).resolve().parent / "clang++"
    paths = [folder / f"{module.name}.{i}.cpp" for i in range(8 * PROCESSORS)]
    for path, source in zip(paths, module.sources(len(paths))):
        path.write_text(source)
    objects = [path.with_suffix(".o") for path in paths]
    commands = [[compiler, *FLAGS, "-c", path, "-o", object] for path, object in zip(paths, objects)]
    library = folder / f"{module.name}.so"
    with concurrent.futures.ThreadPoolExecutor(PROCESSORS) as pool:
        failed = any(pool.map(subprocess.call, commands))
    if failed or subprocess.call([compiler, "-shared", *objects, "-o", library]):
        raise CheckError(f"{module.name}: its C++ does not compile")
    return library


def run_tests(library, environment, tests, options):
    """The kernels of a library that tests, which have to pass, have not called; None where they fail."""
    command = ["swift", "test", "-c", "release", "--skip-build", "--filter", tests, *options]
    environment = os.environ | environment | {"APUS_EMULATED_KERNELS": str(library)}
    ran = subprocess.run(command, cwd=PACKAGE_ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    # The emulator says that it has opened the library, so that nobody takes the program's own kernels for these.
    is_used = re.search(rf"^emulation: \d+ kernels of {re.escape(str(library))}$", ran.stdout, re.MULTILINE)
    counts = re.findall(r"Test run with (\d+) tests? .* passed", ran.stdout)
    if ran.returncode or not is_used or counts in ([], ["0"]):
        print(*ran.stdout.splitlines()[-100:], sep="\n")
        return None
    print(f"  {counts[-1]} tests pass: {tests}", flush=True)
    return set(re.findall(r"^emulation: nothing has called (\w+)$", ran.stdout, re.MULTILINE))


def check(name, text, folder, options):
    """Whether PTX passes all tests."""
    start = time.monotonic()
    module = Module(text, name)
    library = build(module, folder)
    print(f"{name}: {len(module.kernels)} kernels, built after {time.monotonic() - start:.0f} s", flush=True)
    uncalled = [run_tests(library, *run, options) for run in RUNS]
    passed = None not in uncalled
    if passed and (missed := set.intersection(*uncalled)):
        print(f"{name}: no test has called {', '.join(sorted(missed))}")
        passed = False
    print(f"{name}: {'passed' if passed else 'FAILED'} after {time.monotonic() - start:.0f} s", flush=True)
    return passed


def programs(arguments, folder):
    """(name, text) of all PTX that is to be checked."""
    if not arguments.target:
        yield "compute_80.ptx", unpack(ROOT / "images" / "compute_80.ptx.lzma")
    nvrtc = arguments.nvrtc or folder / "nvrtc"
    if not arguments.nvrtc and not install(nvrtc):
        if not arguments.if_possible:
            raise CheckError(f"{PACKAGE} cannot be installed")
        print(f"{PACKAGE} cannot be installed: other architectures are not checked")
        return
    compiler = Compiler(nvrtc)
    for target in arguments.target or [target for target, kind in IMAGES.items() if kind == "CUBIN"]:
        yield f"{target}.ptx", compiler.compile(target.replace("sm_", "compute_"), "PTX")[0]


def check_all(arguments, options, folder):
    """Whether all PTX passes; what differs in the target alone is checked once."""
    passed, checked = True, {}
    for name, image in programs(arguments, folder):
        if not image:
            raise CheckError(f"{name}: wanted the image, found none; run Scripts/build_kernels.py")
        text = image.rstrip(b"\0").decode()
        (folder / name).write_text(text)
        instructions = re.sub(r"^\.target .*", "", text, flags=re.MULTILINE)
        if instructions in checked:
            print(f"{name}: the same as {checked[instructions]}", flush=True)
            continue
        checked[instructions] = name
        passed &= check(name, text, folder, options)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="such as sm_90; several are possible")
    parser.add_argument("--nvrtc", help="a folder with NVIDIA's package nvidia-cuda-nvrtc")
    parser.add_argument("--if-possible", action="store_true", help="do without NVRTC where it cannot be had")
    parser.add_argument("--keep", type=pathlib.Path, help="where PTX, C++ and libraries are to stay")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or pathlib.Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sys.exit(not check_all(arguments, options, folder))


if __name__ == "__main__":
    try:
        main()
    except (CheckError, CompilerError, PTXError) as error:
        sys.exit(str(error))
