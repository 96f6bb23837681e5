"""llama.cpp on the work of `apus bench prefill`, `decode` and `load`, in several weight formats.

usage: llamacpp_bench.py FILE.gguf [--what prefill,decode,load] [--batch 6] [--tokens 200] [--prompt 112] [--runs 3]
    [--formats as-is,q4_0,bf16] [--folder DIR]

Prints one JSON line a format, with medians of --runs runs under the names of `apus bench --json`. `as-is` is the file itself;
other formats are made from it and kept in --folder (default: a temporary one), so that a later call finds them.
Needs llama-cpp-python, compiled for this processor (setup.sh).
"""
import argparse
import ctypes
import json
import os
import statistics
import tempfile
import time

import llama_cpp

# llama.cpp's enum llama_ftype. Q4_0 is the format that it rearranges for wide vectors.
FILE_TYPES = {"q4_0": 2, "q8_0": 7, "bf16": 32}
PREFILL_TOKENS, WARM_UP_TOKENS, LOAD_PROMPT_TOKENS = 512, 8, 16


@llama_cpp.llama_log_callback
def quiet(_level, _text, _data):
    pass


def check(status, what):
    if status != 0:
        raise SystemExit(f"llamacpp_bench.py: {what} failed with status {status}")


def in_format(path, file_format, folder):
    """The path of the model in a format, made first where it is not there yet."""
    if file_format == "as-is":
        return path
    made = os.path.join(folder, f"{os.path.basename(path)}.{file_format}.gguf")
    if not os.path.exists(made):
        parameters = llama_cpp.llama_model_quantize_default_params()
        parameters.allow_requantize = True
        parameters.nthread, parameters.ftype = os.cpu_count(), FILE_TYPES[file_format]
        status = llama_cpp.llama_model_quantize(path.encode(), (made + ".part").encode(), ctypes.byref(parameters))
        check(status, f"making {made}")
        os.rename(made + ".part", made)
    return made


class Session:
    """A loaded model with room for `batch` sequences of `context` tokens."""

    def __init__(self, path, batch, context):
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llamacpp_bench.py: {path} cannot be loaded")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_seq_max = -(-context // 256) * 256 * batch, batch
        parameters.n_batch, parameters.n_ubatch = 2048, 512
        parameters.n_threads = parameters.n_threads_batch = os.cpu_count()
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise SystemExit("llamacpp_bench.py: no memory for the context")

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def decode(self, entries):
        """Runs (token, position, sequence, whether its logits are wanted) entries as one batch, to the end."""
        batch = llama_cpp.llama_batch_init(len(entries), 0, 1)
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
            batch.seq_id[i][0] = sequence
        check(llama_cpp.llama_decode(self.context, batch), "llama_decode")
        llama_cpp.llama_synchronize(self.context)
        llama_cpp.llama_batch_free(batch)

    def prompt(self, count, sequence=0):
        self.decode([((i * 37 + 11) % 1900 + 100, i, sequence, i == count - 1) for i in range(count)])

    def prefill_rate(self):
        self.clear()
        begin = time.perf_counter()
        self.prompt(PREFILL_TOKENS)
        return PREFILL_TOKENS / (time.perf_counter() - begin)

    def decode_rate(self, batch, prompt, tokens):
        self.clear()
        for sequence in range(batch):
            self.prompt(prompt, sequence)
        begin = time.perf_counter()
        for k in range(tokens):
            self.decode([((k * 13 + s * 7) % 1900 + 100, prompt + k, s, True) for s in range(batch)])
        return batch * tokens / (time.perf_counter() - begin)


def load_times(path):
    """Seconds until the model is loaded, and until the first token of a short prompt could be drawn."""
    begin = time.perf_counter()
    session = Session(path, 1, PREFILL_TOKENS)
    loaded = time.perf_counter()
    session.prompt(LOAD_PROMPT_TOKENS)
    first_token = time.perf_counter()
    session.close()
    return loaded - begin, first_token - begin


def measure(path, options):
    result = {}
    if "load" in options.what:
        times = [load_times(path) for _ in range(options.runs)]
        result["load_seconds"] = statistics.median(load for load, _ in times)
        result["first_token_seconds"] = statistics.median(first for _, first in times)
        result["cold_load_seconds"], result["cold_first_token_seconds"] = times[0]
    if "prefill" in options.what or "decode" in options.what:
        session = Session(path, options.batch, max(PREFILL_TOKENS, options.prompt + options.tokens))
        if "prefill" in options.what:
            session.prefill_rate()
            rates = [session.prefill_rate() for _ in range(options.runs)]
            result["prefill_tokens_per_second"] = statistics.median(rates)
        if "decode" in options.what:
            shape = options.batch, options.prompt
            session.decode_rate(*shape, min(options.tokens, WARM_UP_TOKENS))
            rates = [session.decode_rate(*shape, options.tokens) for _ in range(options.runs)]
            result["decode_tokens_per_second"] = statistics.median(rates)
        session.close()
    return result


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--what", default="prefill,decode,load")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--prompt", type=int, default=112)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--formats", default="as-is,q4_0,bf16")
    parser.add_argument("--folder")
    options = parser.parse_args()
    options.what, options.formats = options.what.split(","), options.formats.split(",")
    unknown = set(options.formats) - {"as-is", *FILE_TYPES} or set(options.what) - {"prefill", "decode", "load"}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def main():
    options = parse()
    llama_cpp.llama_backend_init()
    llama_cpp.llama_log_set(quiet, None)
    with tempfile.TemporaryDirectory() as temporary:
        for file_format in options.formats:
            path = in_format(options.model, file_format, options.folder or temporary)
            figures = measure(path, options)
            print(json.dumps({"peer": "llama.cpp", "format": file_format, "batch": options.batch, **figures}), flush=True)


if __name__ == "__main__":
    main()
