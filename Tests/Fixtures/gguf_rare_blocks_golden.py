# Random blocks of GGUF's rarer types and what gguf-py decodes them to, with scales of every kind that a half can have.
# usage: python gguf_rare_blocks_golden.py > gguf_rare_blocks.json
import json
import gguf
import numpy as np
from gguf.quants import dequantize

random = np.random.default_rng(5)
# Where a block holds its halves.
scales = {'Q2_K': [80, 82], 'Q3_K': [108], 'IQ4_NL': [0], 'IQ4_XS': [0]}
halves = np.array([.01, -.02, 1, -3, 6e-8, -6e-5, 0, 100], np.float16)
out = {}
for name, places in scales.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (len(halves), size), np.uint8)
    for place in places:
        blocks[:, place:place + 2] = random.permutation(halves).view(np.uint8).reshape(-1, 2)
    values = dequantize(blocks, kind).ravel()
    out[name] = {'type_id': int(kind), 'hex': blocks.tobytes().hex(), 'dequant_f32': [float(str(v)) for v in values]}
print(json.dumps(out, separators=(',', ':')))
