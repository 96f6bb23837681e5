# Weights that bitsandbytes packs in 4 bit in less usual ways, as transformers would save them, beside what bitsandbytes makes
# of them: "golden.NAME" is the weight dequantised to its dtype.
# usage: python bnb_states_golden.py bnb_states.safetensors
import sys

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

torch.manual_seed(11)
out = {}


def add(name, weight, blocksize=64, nested=False, storage=torch.uint8, kind='nf4'):
    codes, state = F.quantize_4bit(
        weight, blocksize=blocksize, compress_statistics=nested, quant_type=kind, quant_storage=storage)
    out[f'{name}.weight'] = codes
    out.update({f'{name}.weight.{key}': value for key, value in state.as_dict(packed=True).items()})
    out[f'golden.{name}'] = F.dequantize_4bit(codes, state)
    return state


def matrix(rows, columns, dtype=torch.bfloat16):
    return torch.randn(rows, columns).to(dtype)


for size in (32, 128, 256):
    add(f'block{size}', matrix(8, 72), blocksize=size)
add('block4096', matrix(12, 384), blocksize=4096)
for storage in (torch.bfloat16, torch.float16, torch.float32):
    add(f'in_{str(storage)[6:]}', matrix(8, 72), storage=storage)
add('nested_in_bfloat16', matrix(260, 64), nested=True, storage=torch.bfloat16)
add('float16', matrix(8, 64, torch.float16), nested=True)
add('float32', matrix(8, 64, torch.float32))
add('odd', matrix(3, 37))
# Scales far apart: what 8 bits leave of the smallest lie below zero.
uneven = matrix(64, 64)
uneven[:60] *= 1e-3
state = add('uneven', uneven, nested=True)
restored = F.dequantize_blockwise(state.absmax, state.state2) + state.offset
assert restored.min() < 0, restored.min()
add('fp4', matrix(8, 64), kind='fp4')
save_file({key: value.contiguous() for key, value in out.items()}, sys.argv[1], metadata={'format': 'pt'})
