"""Checks what `apus export` writes against the programs that will load it: transformers, PEFT, llama.cpp and Apus itself.

usage: check_exports.py --apus PATH --model HF_DIR [--adapter DIR] [--work DIR] [--tokens 32] [--keep]

Without --adapter one of rank 8 with small random matrices is made. Every format is exported and loaded:

  adapter     PEFT: every tensor bit for bit; the log-probabilities of `apus score --adapter`
  merged      transformers: logits within bf16 of PEFT's on the same model; merged weights bit for bit those of PEFT's merge
              in fp32, rounded once
  bnb-4bit    Apus: the log-probabilities of the merged model within those of 4-bit weights; bitsandbytes, where it is installed
  gguf        llama.cpp: with F32 and F16 the greedy text of Apus on the merged model; its quantised types load, and their
              log-probabilities are as near as those of its own decoder
  gguf-lora   llama.cpp with --lora on the exported base: the greedy text of Apus with the adapter

Prints figures and exits with 1 at the first mismatch. Needs torch, transformers, peft, safetensors, gguf, llama-cpp-python.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import apus_command
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "def greatest_common_divisor(a, b):\n",
]
COMPLETION = " In May she sold 48 / 2 = 24 clips, so altogether she sold 48 + 24 = 72 clips."


class Mismatch(Exception):
    """What was wanted and what was found."""


def require(condition, message):
    if not condition:
        raise Mismatch(message)


class Checks:
    def __init__(self, options):
        self.options = options
        self.work = options.work or tempfile.mkdtemp(prefix="apus-exports-")
        os.makedirs(self.work, exist_ok=True)
        self.adapter = options.adapter or self.make_adapter()

    def path(self, name):
        return os.path.join(self.work, name)

    def make_adapter(self):
        """An adapter that changes every output, but not beyond recognition."""
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_pretrained(self.options.model, dtype=torch.float32)
        modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=modules, task_type="CAUSAL_LM"))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.004)
        model.save_pretrained(self.path("made-adapter"))
        return self.path("made-adapter")

    def export(self, kind, output, *more, adapter=True, model=None):
        """Runs `apus export` and returns its output and how long it took."""
        command = [self.options.apus, "export", "--model", model or self.options.model, "--format", kind]
        command += ["--output", self.path(output), "--overwrite", *more]
        if adapter:
            command += ["--adapter", self.adapter]
        start = time.monotonic()
        result = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - start
        require(result.returncode == 0, f"export {kind} {more}: exit {result.returncode}: {result.stderr.strip()}")
        size = sum(
            os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(self.path(output)) for name in names
        ) or os.path.getsize(self.path(output))
        print(f"{kind} {' '.join(more)}: {size / 1e6:.0f} MB in {seconds:.1f} s; {result.stdout.splitlines()[-1]}")

    def score(self, model, *more):
        _, tokens, log_probs = apus_command.score(
            self.options.apus, model, PROMPTS[0], COMPLETION, ["--precision", "f32", *more])
        return tokens, torch.tensor(log_probs)

    def greedy(self, model, prompt, *more):
        return apus_command.generate(self.options.apus, model, prompt, self.options.tokens, ["--precision", "f32", *more])

    # The formats.

    @torch.no_grad()
    def check_adapter(self):
        self.export("adapter", "adapter")
        base = AutoModelForCausalLM.from_pretrained(self.options.model, dtype=torch.float32)
        model = PeftModel.from_pretrained(base, self.path("adapter"))
        saved, source = (load_file(os.path.join(folder, "adapter_model.safetensors")) for folder in (self.path("adapter"), self.adapter))
        loaded = get_peft_model_state_dict(model)
        require(saved.keys() == loaded.keys() == source.keys(), "PEFT does not take exactly the tensors of the file")
        require(all(torch.equal(saved[name], source[name]) for name in saved), "a tensor of the adapter changed")
        self.tokenizer = AutoTokenizer.from_pretrained(self.path("adapter"))
        self.ids = self.tokenizer(PROMPTS[0] + COMPLETION, return_tensors="pt").input_ids
        self.reference = model(self.ids).logits[0]
        plain = base.get_base_model() if hasattr(base, "get_base_model") else None
        self.merged = {name: value.clone() for name, value in model.merge_and_unload().state_dict().items()}
        del plain
        print(f"  PEFT: {len(saved)} tensors bit for bit")

    @torch.no_grad()
    def check_merged(self):
        self.export("merged", "merged")
        model = AutoModelForCausalLM.from_pretrained(self.path("merged"), dtype="auto")
        require(model.dtype == torch.bfloat16, f"the merged model is {model.dtype}")
        worst = 0
        for name, value in model.state_dict().items():
            wanted = self.merged[name].to(torch.bfloat16)
            different = (wanted != value).float().mean().item()
            worst = max(worst, different)
            require(torch.allclose(wanted.float(), value.float(), rtol=2**-7, atol=1e-9), f"{name} is not PEFT's merge")
        logits = model.float()(self.ids).logits[0]
        difference = (logits - self.reference).abs()
        flips = (logits.argmax(1) != self.reference.argmax(1)).sum().item()
        print(
            f"  transformers: weights of PEFT's fp32 merge rounded to bf16 (at most {worst:.2%} of a tensor one step apart); "
            f"logits {difference.mean():.4f} from PEFT's on average, {difference.max():.3f} at worst, "
            f"{flips} of {len(logits)} best tokens differ")
        require(difference.mean() < 0.15, "logits are not within bf16")
        tokens, ours = self.score(self.path("merged"))
        theirs = logits.log_softmax(1)[-len(tokens) - 1 : -1].gather(1, torch.tensor(tokens)[:, None])[:, 0]
        print(f"  Apus on the merged folder: log-probabilities {(ours - theirs).abs().max():.5f} from transformers' at worst")
        require((ours - theirs).abs().max() < 1e-3, "Apus reads the merged folder otherwise than transformers")
        self.merged_log_probs = ours

    def check_bits_and_bytes(self):
        for flags in ([], ["--double-quant"]):
            self.export("bnb-4bit", "bnb", *flags)
            _, ours = self.score(self.path("bnb"))
            difference = (ours - self.merged_log_probs).abs()
            print(f"  Apus: log-probabilities {difference.mean():.3f} from the merged model's on average")
            require(difference.mean() < 0.6, "the 4-bit model is another model")
        try:
            import bitsandbytes
        except ImportError:
            print("  bitsandbytes is not installed: not loaded there")
            return
        model = AutoModelForCausalLM.from_pretrained(self.path("bnb"))
        with torch.no_grad():
            logits = model(self.ids).logits[0].float()
        tokens, ours = self.score(self.path("bnb"))
        theirs = logits.log_softmax(1)[-len(tokens) - 1 : -1].gather(1, torch.tensor(tokens)[:, None])[:, 0]
        print(f"  bitsandbytes {bitsandbytes.__version__}: log-probabilities {(ours - theirs).abs().max():.3f} from Apus' at worst")
        require((ours - theirs).abs().max() < 0.3, "bitsandbytes reads other weights than Apus")

    def llama(self, model, **more):
        import llama_cpp

        return llama_cpp.Llama(model, n_ctx=512, n_threads=2, verbose=False, logits_all=True, seed=0, **more)

    def llama_greedy(self, llama, prompt):
        tokens = llama.tokenize(prompt.encode(), add_bos=False, special=True)
        llama.reset()
        result = []
        for token in llama.generate(tokens, temp=0, top_k=1, repeat_penalty=1.0):
            result.append(token)
            if token == llama.token_eos() or len(result) == self.options.tokens:
                break
        return tokens, result

    def llama_scores(self, llama):
        prompt = llama.tokenize(PROMPTS[0].encode(), add_bos=False, special=True)
        completion = llama.tokenize(COMPLETION.encode(), add_bos=False, special=True)
        llama.reset()
        llama.eval(prompt + completion)
        logits = torch.tensor(llama.scores[: len(prompt) + len(completion)])
        return logits.log_softmax(1)[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None])[:, 0]

    def compare_greedy(self, label, llama, model, *more):
        for prompt in PROMPTS:
            ids, ours = self.greedy(model, prompt, *more)
            theirs_ids, theirs = self.llama_greedy(llama, prompt)
            require(ids == theirs_ids, f"{label}: the prompt has tokens {ids} here and {theirs_ids} in llama.cpp")
            same = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            print(f"  llama.cpp, {label}: the first {same} of {len(ours)} greedy tokens are the same")
            require(ours == theirs, f"{label}: {ours} here, {theirs} in llama.cpp")

    def check_gguf(self):
        for kind in ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M"]:
            name = f"model-{kind}.gguf"
            self.export("gguf", name, "--type", kind)
            llama = self.llama(self.path(name))
            if kind in ("F32", "F16"):
                self.compare_greedy(kind, llama, self.path(name))
            theirs = self.llama_scores(llama)
            _, ours = self.score(self.path(name))
            merged = (ours - self.merged_log_probs).abs().mean()
            print(f"  {kind}: log-probabilities {(ours - theirs).abs().mean():.4f} from llama.cpp's on average, {merged:.4f} from the merged model's")
            require((ours - theirs).abs().mean() < 0.15, f"{kind}: llama.cpp reads another model")
            os.remove(self.path(name)) if kind != "F32" and not self.options.keep else None

    def check_gguf_lora(self):
        self.export("gguf", "base.gguf", "--type", "F32", adapter=False)
        for kind in ["F32", "F16"]:
            self.export("gguf-lora", "lora.gguf", "--type", kind)
            llama = self.llama(self.path("base.gguf"), lora_path=self.path("lora.gguf"))
            self.compare_greedy(f"base with --lora {kind}", llama, self.options.model, "--adapter", self.adapter)

    def check_from_gguf(self):
        """Back from a GGUF file to the other formats."""
        self.export("merged", "from-gguf", model=self.path("model-F32.gguf"), adapter=False)
        model = AutoModelForCausalLM.from_pretrained(self.path("from-gguf"), dtype="auto")
        merged = load_file(os.path.join(self.path("merged"), "model.safetensors"))
        changed = [name for name, value in merged.items() if not torch.equal(value, model.state_dict()[name])]
        require(not changed, f"{len(changed)} tensors changed on the way through GGUF, the first {changed[:1]}")
        tokenizer = AutoTokenizer.from_pretrained(self.path("from-gguf"))
        require(tokenizer(PROMPTS[0]).input_ids == self.tokenizer(PROMPTS[0]).input_ids, "the tokenizer changed")
        chat = [{"role": "user", "content": "Hello"}]
        texts = [t.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for t in (tokenizer, self.tokenizer)]
        require(texts[0] == texts[1], "the chat template changed")
        print(f"  transformers: {len(merged)} tensors bit for bit those of the merged folder, same tokens, same chat template")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter")
    parser.add_argument("--work")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--keep", action="store_true", help="leave the exports in --work")
    options = parser.parse_args()
    checks = Checks(options)
    try:
        checks.check_adapter()
        checks.check_merged()
        checks.check_bits_and_bytes()
        checks.check_gguf()
        checks.check_gguf_lora()
        checks.check_from_gguf()
    except (Mismatch, apus_command.ApusError) as error:
        print(f"check_exports.py: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(checks.work, ignore_errors=True)
    print("all exports load")
    return 0


if __name__ == "__main__":
    sys.exit(main())
