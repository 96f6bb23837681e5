"""Makes quantize.json: what llama.cpp's own quantisers make of a few blocks.

Needs numpy and llama-cpp-python, whose libggml-base is called through ctypes.
"""
import ctypes
import glob
import json
import os

import llama_cpp
import numpy

TYPES = {"Q4_0": (2, 32, 18), "Q5_0": (6, 32, 22), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210)}


def inputs():
    random = numpy.random.default_rng(7)
    normal = random.standard_normal((3, 256)) * 0.02
    outliers = normal[0] * numpy.where(random.random(256) < 0.03, 12, 1)
    ramp = numpy.linspace(-0.3, 0.5, 256)
    positive = abs(random.standard_normal(256)) * 0.1 + 0.05
    sparse = numpy.where(random.random(256) < 0.9, 0, random.standard_normal(256))
    constant = numpy.repeat(random.standard_normal(8), 32)
    rows = [*normal, outliers, ramp, positive, sparse, constant, numpy.zeros(256), normal[1] * 1e-6]
    return numpy.array(rows, dtype=numpy.float32)


def main():
    folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
    ggml = ctypes.CDLL(sorted(glob.glob(os.path.join(folder, "libggml-base.so*")))[0])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    values = inputs()
    golden = {"input": values.tobytes().hex()}
    for name, (number, block, size) in TYPES.items():
        out = (ctypes.c_uint8 * (values.size // block * size))()
        pointer = values.ctypes.data_as(ctypes.c_void_p)
        written = ggml.ggml_quantize_chunk(
            ctypes.c_int(number), pointer, out, ctypes.c_int64(0), ctypes.c_int64(values.shape[0]),
            ctypes.c_int64(values.shape[1]), None,
        )
        assert written == len(out)
        golden[name] = bytes(out).hex()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "quantize.json")
    with open(path, "w") as file:
        json.dump(golden, file, indent=1)


if __name__ == "__main__":
    main()
