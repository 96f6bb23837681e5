#!/usr/bin/env python3
"""Loads a LoRA adapter with vLLM's own classes, without a GPU and without a model.

usage: check_vllm.py ADAPTER_FOLDER MAX_LORA_RANK

vLLM's check of the configuration (`PEFTHelper.validate_legal`, with --max-lora-rank) and its reader of the weights
(`LoRAModel.from_local_checkpoint`) take the folder, and every tensor must be the file's, bit for bit: B may come multiplied by
the scale. Needs vllm, torch and safetensors. Ends with status 1 at the first difference.
"""
import argparse
import sys

import torch
from safetensors.torch import load_file
from vllm.config.lora import LoRAConfig
from vllm.lora.lora_model import LoRAModel
from vllm.lora.peft_helper import PEFTHelper

MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def difference(model, folder, scale):
    """The first tensor of the file that vLLM holds otherwise, or None."""
    for name, stored in load_file(f"{folder}/adapter_model.safetensors").items():
        module, kind = name.removeprefix("base_model.model.").removesuffix(".weight").rsplit(".", 1)
        layer = model.loras.get(module)
        if layer is None:
            return name
        loaded = layer.lora_a if kind == "lora_A" else layer.lora_b
        if loaded.shape != stored.shape:
            loaded = loaded.T
        wanted = [stored] if kind == "lora_A" else [stored, stored * scale]
        if not any(torch.equal(loaded, tensor) for tensor in wanted):
            return name
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", metavar="ADAPTER_FOLDER")
    parser.add_argument("rank", metavar="MAX_LORA_RANK", type=int)
    options = parser.parse_args()
    folder, rank = options.adapter, options.rank
    helper = PEFTHelper.from_local_dir(folder, max_position_embeddings=None)
    helper.validate_legal(LoRAConfig(max_lora_rank=rank))
    model = LoRAModel.from_local_checkpoint(folder, MODULES, helper, lora_model_id=1, device="cpu")
    found = difference(model, folder, helper.vllm_lora_scaling_factor)
    if found:
        sys.exit(f"check_vllm: {found} is not what the file holds")
    print(f"vLLM takes rank {helper.r}, scale {helper.vllm_lora_scaling_factor}, {len(model.loras)} modules")


main()
