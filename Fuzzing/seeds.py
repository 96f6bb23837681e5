#!/usr/bin/env python3
"""Writes Seeds/: small valid files from which the fuzzers start. Needs gguf, torch, safetensors and bitsandbytes.

usage: Fuzzing/seeds.py
"""
import json
import os
import pathlib
import shutil

import bitsandbytes.functional
import gguf
import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
seeds, fixtures = here / 'Seeds', here.parent / 'Tests/Fixtures'


def folder(name):
    shutil.rmtree(seeds / name, ignore_errors=True)
    os.makedirs(seeds / name)
    return seeds / name


def gguf_file(path, types):
    writer = gguf.GGUFWriter(path, 'llama')
    writer.add_array('list.text', ['a', 'é', ''])
    writer.add_array('list.float', [.5, 2.])
    writer.add_array('list.bool', [True, False])
    writer.add_array('list.int', [1, -2])
    for number, kind in enumerate(gguf.GGUFValueType):
        if kind not in (gguf.GGUFValueType.STRING, gguf.GGUFValueType.ARRAY):
            writer.add_key_value(f'value.{kind.name}', number % 2, kind)
    for kind in types:
        _, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(kind.name, np.arange(size, dtype=np.uint8)[None], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


target = folder('FuzzGGUF')
names = ['F32', 'F16', 'BF16', 'F64', 'I8', 'I16', 'I32', 'I64', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q2_K', 'Q3_K',
         'Q4_K', 'Q5_K', 'Q6_K', 'IQ4_NL', 'IQ4_XS']
for name in names:
    gguf_file(target / f'{name}.gguf', [gguf.GGMLQuantizationType[name]])
gguf_file(target / 'all.gguf', [gguf.GGMLQuantizationType[name] for name in names])

target = folder('FuzzSafetensors')
kinds = ['float32', 'float16', 'bfloat16', 'float64', 'bool', 'uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32',
         'uint64', 'int64']
save_file({kind: torch.tensor([[0, 1, 1]]).to(getattr(torch, kind)) for kind in kinds}, target / 'types.safetensors')
for nested in (False, True):
    for kind in ('nf4', 'fp4'):
        codes, state = bitsandbytes.functional.quantize_4bit(
            torch.ones(2, 32), compress_statistics=nested, quant_type=kind)
        parts = {f'w.{key}': value.contiguous() for key, value in state.as_dict(packed=True).items()}
        save_file({'w': codes, **parts}, target / f'{kind}_{"nested" if nested else "plain"}.safetensors')

target = folder('FuzzAdapterConfiguration')
adapter = json.loads((fixtures / 'tiny_llama/adapter_config.json').read_text())
(target / 'whole.json').write_text(json.dumps(adapter))
(target / 'least.json').write_text('{"peft_type":"LORA","r":4,"target_modules":"all-linear","lora_alpha":1.5}')
(target / 'layers.json').write_text(
    '{"peft_type":"LORA","r":4,"target_modules":["q_proj"],"layers_to_transform":[0,1],"rank_pattern":{"a":1},'
    '"layer_replication":[[0,2]],"init_lora_weights":"gaussian"}')

target = folder('FuzzJSON')
(target / 'configuration.json').write_bytes((fixtures / 'tiny_llama/config.json').read_bytes())
(target / 'index.json').write_text('{"metadata":{"total_size":16},"weight_map":{"a":"model-1.safetensors"}}')
(target / 'values.json').write_text('[-0.10,1E+2,9007199254740993,"\\u00e9\\ud83d\\ude00\\n",true,false,null,{"a":[{}]}]')

# Each family in the spelling of transformers 5 and of 4.
target = folder('FuzzModelConfiguration')
for family in sorted((fixtures / 'families').glob('*-[123]')):
    for name in ('config', 'config_v4'):
        shutil.copy(family / f'{name}.json', target / f'{family.name}-{name}.json')

# Templates, some with data behind a zero byte.
target = folder('FuzzTemplate')
golden = json.loads((fixtures / 'text/jinja.json').read_text())
for number, case in enumerate(golden['cases'][::12]):
    (target / f'case-{number}').write_text(case['template'])
(target / 'data').write_text("{% for m in messages %}{{ m.role }}{% endfor %}\0" + json.dumps(golden['variables']))
for name in ('qwen3', 'gptoss', 'glm4moe'):
    shutil.copy(fixtures / f'text/templates/{name}.jinja', target / name)
