#!/usr/bin/env python3
"""Compares Apus' own declarations of NVIDIA's libraries (Sources/CCUDA/include/ccuda.h) with NVIDIA's headers.

    Scripts/check_cuda_abi.py [--include DIR] [--compiler CC]

A compiler is asked, in static assertions, whether every function has the type that the headers give it, every constant
its value and every type its size. Without --include the headers of the driver and of NVRTC are taken from PyPI (95 MB,
into a temporary folder). cuBLASLt's are 400 MB: they are compared where DIR has them, such as
site-packages/nvidia/cu13/include beside a PyTorch of CUDA 13; they need those of the packages nvidia-cuda-crt and
nvidia-cuda-cccl too (--include may be repeated). Ends with status 1 where something differs.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

OWN = pathlib.Path(__file__).resolve().parent.parent / "Sources/CCUDA/include"
WHEELS = ("nvidia-cuda-runtime==13.0.96", "nvidia-cuda-nvrtc==13.0.88")

# Of each library: its header, the macros of ccuda.h, and types whose size both sides have to agree on.
LIBRARIES = {
    "driver": (
        "cuda.h", "CUDA_DRIVER_FUNCTIONS", "CUDA_DRIVER_CONSTANTS",
        {"CUresult": 4, "CUdevice": 4, "CUdeviceptr": 8, "CUdevice_attribute": 4, "CUfunction_attribute": 4,
         "CUstreamCaptureMode": 4, "CUmemGenericAllocationHandle": 8, "CUmemAllocationGranularity_flags": 4,
         "CUmemLocation": 8, "CUmemAllocationProp": 32, "CUmemAccessDesc": 12}),
    "cuBLASLt": (
        "cublasLt.h", "CUBLAS_LT_FUNCTIONS", "CUBLAS_LT_CONSTANTS",
        {"cublasStatus_t": 4, "cublasComputeType_t": 4, "cudaDataType_t": 4, "cublasLtMatmulDescAttributes_t": 4,
         "cublasLtMatrixLayoutAttribute_t": 4, "cublasLtMatmulPreferenceAttributes_t": 4, "cublasLtMatmulAlgo_t": 64,
         "cublasLtMatmulHeuristicResult_t": 96}),
    "NVRTC": ("nvrtc.h", "NVRTC_FUNCTIONS", None, {"nvrtcResult": 4}),
}
OFFSETS = {
    "driver": {
        "CUmemLocation": {"type": 0, "id": 4},
        "CUmemAllocationProp": {
            "type": 0, "requestedHandleTypes": 4, "location": 8, "win32HandleMetaData": 16,
            "allocFlags.compressionType": 24, "allocFlags.gpuDirectRDMACapable": 25, "allocFlags.usage": 26,
            "allocFlags.reserved": 28},
        "CUmemAccessDesc": {"location": 0, "flags": 8}},
    "cuBLASLt": {"cublasLtMatmulHeuristicResult_t": {"workspaceSize": 64, "state": 72, "wavesCount": 76}},
}

# With this macro cuda.h declares every version of a function under its own name.
PREFACE = "#define __CUDA_API_VERSION_INTERNAL\n"
COMPARISONS = """
#define FUNCTION(result, name, parameters) \\
    _Static_assert(__builtin_types_compatible_p(result (*) parameters, __typeof__(&name)), #name " differs");
#define CONSTANT(name, value) _Static_assert((long long)name == value, #name " differs");
"""


def sizes(name):
    """Assertions that hold with NVIDIA's types and with Apus' own."""
    lines = [f'_Static_assert(sizeof({type}) == {size}, "{type}");' for type, size in LIBRARIES[name][3].items()]
    for type, fields in OFFSETS.get(name, {}).items():
        lines += [f'_Static_assert(offsetof({type}, {field}) == {offset}, "{type}.{field}");'
                  for field, offset in fields.items()]
    return "\n".join(lines) + "\n"


def compiles(compiler, text, includes):
    """Whether C compiles, after showing what the compiler says."""
    command = [compiler, "-std=c11", "-fsyntax-only", "-x", "c", "-", f"-I{OWN}"]
    command += [argument for folder in includes for argument in ("-isystem", str(folder))]
    return subprocess.run(command, input=text, text=True).returncode == 0


def compare(name, compiler, includes):
    """Whether a library's declarations are NVIDIA's; None without its header."""
    header, functions, constants, _ = LIBRARIES[name]
    if not any((folder / header).exists() for folder in includes):
        return None
    text = f'{PREFACE}#include <{header}>\n#include "ccuda.h"\n{COMPARISONS}{functions}(FUNCTION)\n'
    text += f"{constants}(CONSTANT)\n" if constants else ""
    return compiles(compiler, text + sizes(name), includes)


def download(folder):
    """NVIDIA's header folder, from PyPI."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*pip, *WHEELS], check=True)
    for wheel in pathlib.Path(folder).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [member for member in archive.namelist() if "/include/" in member])
    return pathlib.Path(folder) / "nvidia/cu13/include"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--include", type=pathlib.Path, action="append")
    parser.add_argument("--compiler", default="clang")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        includes = arguments.include or [download(folder)]
        own = '#include "ccuda.h"\n' + "".join(map(sizes, LIBRARIES))
        results = {"sizes of own types": compiles(arguments.compiler, own, [])}
        results |= {name: compare(name, arguments.compiler, includes) for name in LIBRARIES}
    for name, result in results.items():
        print(f"{name}: {'not compared, no header' if result is None else 'agrees' if result else 'DIFFERS'}")
    sys.exit(any(result is False for result in results.values()))


if __name__ == "__main__":
    main()
