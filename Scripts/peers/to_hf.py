"""Writes the weights of a GGUF file, dequantised, as a Hugging Face folder: the same model for programs that read no GGUF.

usage: to_hf.py FILE.gguf OUT_DIR [--dtype bfloat16]

Needs torch, transformers and gguf (setup.sh).
"""
import argparse
import os

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("out")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    options = parser.parse_args()
    # transformers takes a folder and the name of a file in it.
    folder, name = os.path.split(os.path.abspath(options.gguf))
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(options.out)
    AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=getattr(torch, options.dtype), quantization_config=GgufConfig(dequantize=True)
    ).save_pretrained(options.out)


if __name__ == "__main__":
    main()
