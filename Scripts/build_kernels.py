#!/usr/bin/env python3
"""Compiles the kernels in Sources/CCUDA/kernels for each architecture that Apus ships: no GPU and no CUDA toolkit needed.

    python3 -m pip install --target FOLDER --no-deps nvidia-cuda-nvrtc==13.0.88
    Scripts/build_kernels.py FOLDER            # writes Sources/CCUDA/images/sm_80.cubin, ...
    Scripts/build_kernels.py FOLDER --check    # writes nothing: compiles, and holds the images against the sources

Images are part of the repository: who builds Apus compiles no kernel. A spill, or an image that is not that of the
sources, is an error.
"""
import argparse
import ctypes
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "Sources" / "CCUDA"
ARCHITECTURES = [80, 89, 90]


class Compiler:
    """NVRTC, by the library in a folder of NVIDIA's package."""

    def __init__(self, folder):
        libraries = sorted(pathlib.Path(folder).rglob("libnvrtc*.so*"))
        builtins = [path for path in libraries if "builtins" in path.name and ".alt" not in path.name]
        compilers = [path for path in libraries if re.fullmatch(r"libnvrtc\.so\.\d+", path.name)]
        if not builtins or not compilers:
            sys.exit(f"{folder}: wanted libnvrtc and its builtins, found none; install nvidia-cuda-nvrtc there")
        # The compiler opens its builtins by their bare name: they have to be there already.
        for path in builtins:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(compilers[0]))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code:
            raise RuntimeError(f"{name}: {self.library.nvrtcGetErrorString(code).decode()}")

    def text(self, program, name):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{name}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{name}", program, buffer)
        return buffer.raw

    def compile(self, source, headers, architecture):
        """The image for an architecture, and what the assembler said."""
        program = ctypes.c_void_p()
        names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
        texts = (ctypes.c_char_p * len(headers))(*headers.values())
        self.call("nvrtcCreateProgram", ctypes.byref(program), source, b"apus.cu", len(headers), texts, names)
        options = [f"--gpu-architecture=sm_{architecture}", "--std=c++17", "--ptxas-options=-v", "-default-device"]
        encoded = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        code = self.library.nvrtcCompileProgram(program, len(options), encoded)
        log = self.text(program, "ProgramLog").rstrip(b"\0").decode()
        if code:
            sys.exit(f"sm_{architecture}: the kernels do not compile\n{log}")
        image = self.text(program, "CUBIN")
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        return image, log


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where NVIDIA's package nvidia-cuda-nvrtc is installed")
    parser.add_argument("--check", action="store_true", help="compile and compare, write nothing")
    parser.add_argument("--verbose", action="store_true", help="print the registers of every kernel")
    arguments = parser.parse_args()
    kernels = ROOT / "kernels"
    headers = {path.name: path.read_bytes() for path in sorted(kernels.glob("*.*h"))}
    source = (kernels / "apus.cu").read_bytes()
    compiler = Compiler(arguments.folder)
    faults = []
    for architecture in ARCHITECTURES:
        image, log = compiler.compile(source, headers, architecture)
        found = list(resources(log))
        for kernel, registers, spills, stack in found:
            if arguments.verbose:
                print(f"sm_{architecture} {kernel}: {registers} registers, {spills} bytes spilled, stack {stack}")
            if spills:
                faults.append(f"sm_{architecture} {kernel}: {spills} bytes are spilled")
        path = ROOT / "images" / f"sm_{architecture}.cubin"
        most = max((registers for _, registers, _, _ in found), default=0)
        print(f"sm_{architecture}: {len(found)} kernels, {len(image)} bytes, at most {most} registers")
        if not arguments.check:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(image)
        elif not path.exists() or path.read_bytes() != image:
            faults.append(f"{path.name} is not the image of the sources; run Scripts/build_kernels.py without --check")
    if faults:
        sys.exit("\n".join(faults))


main()
