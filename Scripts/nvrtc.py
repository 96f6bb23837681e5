"""NVRTC, NVIDIA's compiler of kernels, called by build_kernels.py and check_ptx.py: no GPU and no CUDA toolkit needed."""

import ctypes
import pathlib
import re
import subprocess
import sys

# Images of 12.x run on drivers since 525, those of 13.x since 580. Of 12.x this one: cards that need the PTX came with the
# drivers of CUDA 12.8, and these read no later one's.
PACKAGE = "nvidia-cuda-nvrtc-cu12==12.8.93"

KERNELS = pathlib.Path(__file__).resolve().parent.parent / "Sources" / "CCUDA" / "kernels"


class CompilerError(Exception):
    """What went wrong, in NVRTC's words."""


def install(folder):
    """Puts the compiler into a folder, from PyPI; whether that was possible."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-warn-script-location",
           "--root-user-action=ignore", "--target", str(folder), PACKAGE]
    return subprocess.run(pip).returncode == 0


class Compiler:
    """NVRTC, by the library in a folder of NVIDIA's package."""

    def __init__(self, folder):
        libraries = sorted(pathlib.Path(folder).rglob("libnvrtc*.so*"))
        builtins = [path for path in libraries if "builtins" in path.name and ".alt" not in path.name]
        compilers = [path for path in libraries if re.fullmatch(r"libnvrtc\.so\.\d+", path.name)]
        if not builtins or not compilers:
            raise CompilerError(f"{folder}: wanted libnvrtc and its builtins, found none; install {PACKAGE} there")
        # The compiler opens its builtins by their bare name: they have to be there already.
        for path in builtins:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(compilers[0]))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code:
            raise CompilerError(f"{name}: {self.library.nvrtcGetErrorString(code).decode()}")

    def version(self):
        """Such as "12.8"."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def result(self, program, name):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{name}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{name}", program, buffer)
        return buffer.raw

    def compile(self, target, kind, *options):
        """What the kernels become for a target, such as sm_80: "CUBIN" or "PTX"; and what the assembler said."""
        program, source = ctypes.c_void_p(), (KERNELS / "apus.cu").read_bytes()
        headers = {path.name: path.read_bytes() for path in sorted(KERNELS.glob("*.*h"))}
        options = [*(KERNELS / "options.txt").read_text().split(), f"--gpu-architecture={target}", *options]
        names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
        texts = (ctypes.c_char_p * len(headers))(*headers.values())
        self.call("nvrtcCreateProgram", ctypes.byref(program), source, b"apus.cu", len(headers), texts, names)
        encoded = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        code = self.library.nvrtcCompileProgram(program, len(options), encoded)
        log = self.result(program, "ProgramLog").rstrip(b"\0").decode()
        if code:
            raise CompilerError(f"{' '.join(options)}: the kernels do not compile\n{log}")
        image = self.result(program, kind)
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        return image, log
