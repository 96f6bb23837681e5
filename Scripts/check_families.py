#!/usr/bin/env python3
"""Checks what `apus export` writes of each family of models against transformers, bitsandbytes and llama.cpp.

    VENV/bin/python Scripts/check_families.py APUS [FAMILY...]

Of each configuration below Tests/Fixtures/families a model with random weights and an adapter is made, exported with the
adapter merged, and loaded:

  merged    transformers: every weight is PEFT's merge to a rounding of float16, and the greedy text is Apus'
  gguf      llama.cpp, F16: the same greedy text; what Apus refuses to write there is named
  bnb-4bit  transformers with bitsandbytes on the processor: Apus' log-probabilities; and what bitsandbytes itself writes
            has its weights to the bit (through a GGUF file of F32), and its log-probabilities

The configurations are those of the fixtures but for what llama.cpp takes for granted (Gemma's scale of scores) or does not
know (layers without RoPE or with a window elsewhere than in the real models, windows outside Gemma and OLMo 3, rotary embeddings that
follow the text: these are longer than the text here). For
bitsandbytes they are wider: it dequantises rows of other than whole blocks of 64 wrongly on the processor (0.50).
Models whose greedy text hangs on a hair are made again from another seed. Prints a line each and ends with status 1 when
one differs. Needs torch, transformers, peft, bitsandbytes, gguf, llama-cpp-python.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
import apus_command
import bitsandbytes
import gguf
import llama_cpp
import peft
import torch
import transformers

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures"
VOCABULARY = 576  # The tokenizer has 560.
PROMPT = "There are 12 apples and"
COMPLETION = " 30 pears, so that makes 42."
TOKENS = 32
CONTEXT = 256  # Longer than any text here, and what llama.cpp rounds shorter ones up to.
# Of the spread of logits: llama.cpp rounds what meets F16 weights to F16 too.
MARGIN = 0.015
# llama.cpp's windows: all layers but each so manyeth.
WINDOW_PERIODS = {"gemma2": 2, "gemma3_text": 6, "olmo3": 4}
GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "qkv_proj": "attn_qkv",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down", "gate_up_proj": "ffn_up",
}


class Mismatch(Exception):
    """What was wanted and what was found."""


def require(condition, message):
    if not condition:
        raise Mismatch(message)


def configuration(name, is_wide):
    config = json.loads((FIXTURES / "families" / name / "config.json").read_text())
    kind = config.pop("model_type")
    config.update(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, pad_token_id=None)
    layers = range(config["num_hidden_layers"])
    if kind in WINDOW_PERIODS:
        period = WINDOW_PERIODS[kind]
        kinds = ["full_attention" if (layer + 1) % period == 0 else "sliding_attention" for layer in layers]
        config.update(layer_types=kinds, query_pre_attn_scalar=config.get("head_dim"))
        for key in ("attn_logit_softcapping", "final_logit_softcapping"):
            if kind == "gemma2" and config[key] is None:
                config[key] = 5.0
    elif config.get("sliding_window"):
        config["sliding_window"] = CONTEXT
    if kind == "smollm3":
        config["no_rope_layers"] = [int((layer + 1) % 4 != 0) for layer in layers]
    if kind in ("olmo2", "olmo3"):
        config["attention_bias"] = False
    if name == "llama-3":
        config["max_position_embeddings"] = CONTEXT
    if config.get("rope_parameters", {}).get("rope_type") == "longrope":
        config.update(max_position_embeddings=4 * CONTEXT, original_max_position_embeddings=CONTEXT)
        config["rope_parameters"]["original_max_position_embeddings"] = CONTEXT
    if is_wide:
        heads = config["num_attention_heads"]
        config.update(hidden_size=64, intermediate_size=128, head_dim=64 // heads, query_pre_attn_scalar=64 // heads)
        for key in ("short_factor", "long_factor"):
            if config.get("rope_parameters", {}).get(key):
                rotary = config["rope_parameters"]
                count = int(64 // heads * rotary.get("partial_rotary_factor", 1)) // 2
                rotary[key] = [1 + i / count for i in range(count)]
    return transformers.AutoConfig.for_model(kind, **config)


def random_model(name, folder, seed, is_wide=False):
    """A model of a fixture's configuration, saved in bf16, and an adapter of all its linear modules."""
    torch.manual_seed(seed)
    config = configuration(name, is_wide)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    has_excess = config.model_type.startswith("gemma")
    with torch.no_grad():
        for key, value in model.named_parameters():
            noise = torch.randn_like(value)
            if "norm" in key:
                value.copy_((0 if has_excess else 1) + 0.2 * noise)
            elif key.endswith("bias"):
                value.copy_(0.2 * noise)
            elif "embed_tokens" in key or "lm_head" in key:
                value.copy_(1.2 * noise / value.shape[-1] ** 0.5)
            else:
                value.copy_((2.5 if key.endswith(("o_proj.weight", "down_proj.weight")) else 1) * noise / value.shape[-1] ** 0.5)
    model.to(torch.bfloat16).save_pretrained(folder / "model")
    shutil.copy(FIXTURES / "text" / "smollm" / "tokenizer.json", folder / "model")
    # In half of fp32's digits nothing is left of what the merge rounds.
    model = model.float()
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for key, value in adapted.named_parameters():
            if "lora_B" in key:
                value.copy_(0.1 * torch.randn_like(value))
    adapted.save_pretrained(folder / "adapter")
    return adapted.merge_and_unload()


class Family:
    def __init__(self, apus, name, folder):
        self.apus, self.name, self.folder = apus, name, folder

    def path(self, name):
        return str(self.folder / name)

    def export(self, kind, output, *options, model="model"):
        command = [self.apus, "export", "--model", self.path(model), "--format", kind, "--output", self.path(output)]
        result = subprocess.run([*command, "--overwrite", *options], capture_output=True, text=True)
        require(result.returncode in (0, 2), f"export {kind}: {result.stderr.strip()[:300]}")
        return result.stderr.strip() if result.returncode else None

    def adapter(self):
        return ["--adapter", self.path("adapter")]

    @torch.no_grad()
    def check_merged(self):
        """Finds the seed; whether there is one."""
        for seed in range(1, 400):
            merged = random_model(self.name, self.folder, seed)
            failure = self.export("merged", "merged", "--type", "float16", *self.adapter())
            require(failure is None, f"merged: {failure}")
            model = transformers.AutoModelForCausalLM.from_pretrained(
                self.path("merged"), dtype=torch.float32, attn_implementation="eager")
            wanted = merged.state_dict()
            for key, value in model.state_dict().items():
                # Sums of products in another order may fall on the other side of a rounding.
                require(torch.allclose(value, wanted[key], rtol=2**-10, atol=2**-24), f"merged: {key} is not PEFT's merge")
            self.prompt, self.tokens = apus_command.generate(
                self.apus, self.path("merged"), PROMPT, TOKENS, ["--precision", "f32"])
            theirs, margin = self.greedy(model)
            if margin >= MARGIN and len(set(theirs)) > 4:
                require(theirs == self.tokens, f"merged: {self.tokens} here, {theirs} in transformers")
                return f"seed {seed}, {len(theirs)} tokens, margin {margin:.3f}"
        raise Mismatch("no model whose text does not hang on a hair")

    def greedy(self, model):
        tokens, margin = list(self.prompt), float("inf")
        while len(tokens) < len(self.prompt) + TOKENS and (len(tokens) == len(self.prompt) or tokens[-1] != 0):
            logits = model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
            best = logits.topk(2)
            margin = min(margin, ((best.values[0] - best.values[1]) / logits.std()).item())
            if margin < MARGIN:
                break
            tokens.append(best.indices[0].item())
        return tokens[len(self.prompt):], margin

    def check_gguf(self):
        refusal = self.export("gguf", "model.gguf", "--type", "F16", *self.adapter())
        if refusal:
            require("export merged" in refusal or "--format merged" in refusal, f"gguf: {refusal}")
            return "refused"
        try:
            llama = llama_cpp.Llama(
                self.path("model.gguf"), n_ctx=CONTEXT, n_threads=2, verbose=False, type_k=0, type_v=0, flash_attn=False)
        except ValueError as error:
            raise Mismatch(f"gguf: llama.cpp does not load it: {error}") from error
        theirs = []
        for token in llama.generate(list(self.prompt), temp=0, top_k=1, repeat_penalty=1.0):
            theirs.append(token)
            if token == 0 or len(theirs) == TOKENS:
                break
        require(theirs == self.tokens, f"gguf: {self.tokens} here, {theirs} in llama.cpp")
        return "same text"

    def log_probs(self, folder):
        prompt, tokens, ours = apus_command.score(
            self.apus, self.path(folder), PROMPT, COMPLETION, ["--precision", "f32"])
        return prompt, tokens, torch.tensor(ours)

    @torch.no_grad()
    def bits_and_bytes(self, folder):
        """What a folder's modules are to bitsandbytes, and how far our log-probabilities are from those with its weights."""
        model = transformers.AutoModelForCausalLM.from_pretrained(
            self.path(folder), dtype=torch.float32, attn_implementation="eager")
        modules = {name: module for name, module in model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)}
        require(modules, f"{folder}: nothing is in 4 bits")
        weights = {}
        for name, module in modules.items():
            weights[name] = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state).float()
            # Its own products would round otherwise than the weights that it gives out: these are in the model's bf16.
            plain = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
            plain.weight.copy_(weights[name])
            if module.bias is not None:
                plain.bias.copy_(module.bias)
            model.set_submodule(name, plain)
        for value in model.parameters():
            value.data = value.data.float()
        prompt, tokens, ours = self.log_probs(folder)
        logits = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        theirs = logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
        return weights, model.config, (ours - theirs).abs().max().item()

    def check_bits_and_bytes(self):
        random_model(self.name, self.folder, 1, is_wide=True)
        failure = self.export("bnb-4bit", "bnb", *self.adapter())
        require(failure is None, f"bnb-4bit: {failure}")
        _, _, written = self.bits_and_bytes("bnb")
        require(written < 1e-3, f"bnb-4bit: log-probabilities differ by {written} from bitsandbytes'")
        quantization = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            self.path("model"), quantization_config=quantization, device_map="cpu")
        model.save_pretrained(self.path("theirs"))
        shutil.copy(FIXTURES / "text" / "smollm" / "tokenizer.json", self.path("theirs"))
        weights, config, read = self.bits_and_bytes("theirs")
        require(read < 1e-3, f"bitsandbytes' file: log-probabilities differ by {read} from its own")
        return f"log-probs within {written:.1e} of ours, {read:.1e} of theirs, {self.check_weights(weights, config)}"

    def check_weights(self, weights, config):
        """Of a file that bitsandbytes wrote: the weights that we read are those that it gives out."""
        if self.export("gguf", "theirs.gguf", "--type", "F32", model="theirs"):
            return "no GGUF to compare weights in"
        found = {tensor.name: torch.tensor(tensor.data) for tensor in gguf.GGUFReader(self.path("theirs.gguf")).tensors}
        for name, wanted in weights.items():
            layer, module = name.split(".")[2], name.split(".")[-1]
            if self.name.startswith(("llama", "mistral", "smollm3", "granite")) and module in ("q_proj", "k_proj"):
                wanted = permuted(wanted, config, module)
            value = found[f"blk.{layer}.{GGUF_NAMES[module]}.weight"]
            require(torch.equal(value, wanted), f"{name}: other weights than bitsandbytes dequantises")
        return f"{len(weights)} modules to the bit"


def permuted(weight, config, name):
    """The order of rows that llama.cpp wants: pairs of a head's elements side by side."""
    heads = config.num_attention_heads if name == "q_proj" else config.num_key_value_heads
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apus", type=pathlib.Path)
    parser.add_argument("families", nargs="*", help="names that begin so; all without")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    names = sorted(path.parent.name for path in (FIXTURES / "families").glob("*/golden.json"))
    # The text part of a model of text and images is gemma3_text's.
    names = [name for name in names if not name.startswith("gemma3-")]
    wrong = 0
    for name in names:
        if options.families and not name.startswith(tuple(options.families)):
            continue
        with tempfile.TemporaryDirectory(prefix="apus-families-") as folder:
            family = Family(str(options.apus.resolve()), name, pathlib.Path(folder))
            for label, check in (
                ("merged", family.check_merged), ("gguf", family.check_gguf), ("bnb-4bit", family.check_bits_and_bytes)):
                try:
                    print(f"{name:16} {label:9} {check()}", flush=True)
                except (Mismatch, apus_command.ApusError) as error:
                    print(f"{name:16} {label:9} DIFFERS: {error}", flush=True)
                    wrong += 1
                    if label == "merged":
                        break
    print("all exports are the same" if wrong == 0 else f"{wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
