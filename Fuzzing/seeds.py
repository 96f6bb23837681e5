#!/usr/bin/env python3
"""Writes Seeds/: small valid files from which the fuzzers start. Needs gguf, torch, safetensors,
bitsandbytes and sentencepiece.

usage: Fuzzing/seeds.py
"""
import base64
import json
import os
import pathlib
import shutil

import bitsandbytes.functional
import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2

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
(target / 'range').write_text('{{ range(499999) | sum }}')
for name in ('qwen3', 'gptoss', 'glm4moe'):
    shutil.copy(fixtures / f'text/templates/{name}.jinja', target / name)

# Every pipeline of the tests before a small model of its kind, some with a text behind a zero byte.
target = folder('FuzzTokenizer')
golden = json.loads((fixtures / 'text/pipelines.json').read_text())
pieces = ['<s>', '</s>', '<unk>', '\u2581', 'a', 'b', 'ab', 'ba', '\u2581a', '\u2581ab', '\u00e9', 'e', 'th', 't', '1']
scored = [[piece, -1.5 * place] for place, piece in enumerate(pieces)]
characters = {text: place for place, text in enumerate(['[UNK]', *'abet1.', 'ab', 'aba', 'th', 'h', '\u4f60'])}
merges = [['a', 'b'], ['ab', 'a'], ['t', 'h']]
models = {
    'unigram': {'type': 'Unigram', 'unk_id': 2, 'vocab': scored},
    'unigram-bytes': {
        'type': 'Unigram', 'unk_id': 2, 'byte_fallback': True,
        'vocab': scored + [[f'<0x{byte:02X}>', -9] for byte in (0xC3, 0xA9, 0xE4, 0xBD, 0xA0, 0x0A)]},
    'bytes': {'type': 'BPE', 'merges': merges, 'vocab': {
        text: place for place, text in enumerate([*'abeth1.\u0120\u010a\u00c3\u00a9\u00e4\u00bd', 'ab', 'aba', 'th'])}},
    'characters': {'type': 'BPE', 'unk_token': '[UNK]', 'vocab': characters, 'merges': merges},
    'fused': {'unk_token': '[UNK]', 'fuse_unk': True, 'vocab': characters, 'merges': [' '.join(pair) for pair in merges]},
    'ignoring': {'type': 'BPE', 'ignore_merges': True, 'vocab': characters, 'merges': merges[:1]},
    'words': {'type': 'WordPiece', 'unk_token': '[UNK]', 'max_input_chars_per_word': 9, 'continuing_subword_prefix': '##',
              'vocab': {text: place for place, text in enumerate(['[UNK]', '[CLS]', '[SEP]', *'ab', '##a', '##b', 'the', ','])}},
}
for number, case in enumerate(golden['pipelines']):
    text = case['head'].replace('500', '2') + ', "model": ' + json.dumps(models[case['model']], ensure_ascii=False) + '}'
    (target / f'{number:02}-{case["model"]}').write_text(text + '\0 the ab\u00e9 <s>A<mask> tool, aba' * (number % 3 == 0))
fallback = {'type': 'Sequence', 'decoders': [
    {'type': 'Replace', 'pattern': {'String': '\u2581'}, 'content': ' '}, {'type': 'ByteFallback'}, {'type': 'Fuse'},
    {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}
llama = {'type': 'BPE', 'unk_token': '<unk>', 'fuse_unk': True, 'byte_fallback': True, 'merges': ['\u2581 a', 'a b'], 'vocab': {
    text: place for place, text in enumerate(['<unk>', '<s>', *(f'<0x{byte:02X}>' for byte in (0x0A, 0x41, 0xC3, 0xA9, 0xE4, 0xBD, 0xA0)), *pieces[3:]])}}
(target / 'llama').write_text(json.dumps({'decoder': fallback, 'model': llama}, ensure_ascii=False))
tokens = [b'a', b'b', b'\xc3', b'\xa9', b' ', b'ab', b' a', b'\xc3\xa9']
(target / 'tekken').write_text(json.dumps({
    'config': {'pattern': r'[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\s+|.', 'default_vocab_size': 30, 'default_num_special_tokens': 20},
    'vocab': [{'rank': rank, 'token_bytes': base64.b64encode(text).decode()} for rank, text in enumerate(tokens)],
    'special_tokens': [{'rank': 0, 'token_str': '<unk>'}, {'rank': 1, 'token_str': '<s>'}, {'rank': 3, 'token_str': '[INST]'}]}))

target = folder('FuzzSentencePiece')
table = base64.b64decode(golden['charsmap'])
for kind, name in ((1, 'unigram'), (2, 'bpe')):
    for falls_back in (False, True):
        for number in range(3):
            model = sentencepiece_model_pb2.ModelProto()
            for place, text in enumerate(pieces + ['<0xC3>', '<0xA9>', '<mark>', 'fox', '\u2581\u2581'] * falls_back):
                role = 2 if place == 2 else 3 if place < 2 else 6 if text[:3] == '<0x' else 4 if place > 16 else 1
                model.pieces.add(piece=text, score=0 if role != 1 else -place / 3, type=role)
            model.trainer_spec.model_type = kind
            model.trainer_spec.byte_fallback = falls_back
            model.trainer_spec.unk_id, model.trainer_spec.bos_id, model.trainer_spec.eos_id = 2, 0, 1
            model.normalizer_spec.add_dummy_prefix = number != 1
            model.normalizer_spec.remove_extra_whitespaces = number != 2
            if number == 0: model.normalizer_spec.precompiled_charsmap = table
            (target / f'{name}-{"bytes" if falls_back else "unknown"}-{number}').write_bytes(model.SerializeToString())

# A first byte that says which kind of rows follows.
target = folder('FuzzTextTable')
(target / 'lines').write_bytes(b'0{"question": "q", "answer": 4}\r\n\n{"question": "\\u00e9", "answer": null}\n')
(target / 'array').write_bytes(b'1[{"a": [1, 2.5, {"b": "c"}]},\n {"a": true}]')
(target / 'commas').write_bytes(b'2id,q,"a ""b"""\r\n1,"x\r\ny",2.5\n2,,true\n')
(target / 'tabs').write_bytes(b'3a\tb\n1,5\t007\n"x\ty"\tz\n')

# Tables of the tests: those of Parquet, of which there are many, by halves.
tables = (fixtures / 'tables/tables.bin').read_bytes()
entries = [entry for entry in json.loads((fixtures / 'tables/tables.json').read_text()) if entry['size'] < 8192]
for reader, extension, step in (('FuzzParquet', '.parquet', 2), ('FuzzArrow', '.arrow', 1)):
    target = folder(reader)
    for entry in [entry for entry in entries if entry['name'].endswith(extension)][::step]:
        (target / entry['name'].replace(' ', '-')).write_bytes(tables[entry['offset']:][:entry['size']])
