"""Goldens for real vocabularies, which are not part of the project: those that PyPI packages hold.

Run in this folder:  pip install sentencepiece mistral-common llama-models && python real_golden.py FOLDER
Writes a folder for each vocabulary with its file and a golden.json; `APUS_REAL_TOKENIZERS=FOLDER swift test -c release --filter
RealVocabularyTests` compares.
"""
import glob
import json
import os
import random
import shutil
import sys
import tempfile

import llama_models.llama3.tokenizer
import llama_models.llama4.tokenizer
import mistral_common
import sentencepiece
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from text_golden import CORPUS, STRINGS
from transformers.convert_slow_tokenizer import TikTokenConverter


def texts():
    rng = random.Random(17)
    alphabet = list("abcdefgxyzABC   \t\n\r'sStT0123456789.,!?()[]{}/\\éüſ你好世界안녕🎉\u0301\u00a0_-\u200d\u3000\ue000Ａ①ﬁ\u0085\u2028") + [
        "'ll", "👍🏽", "e\u0301", "\r\n", "    ", "the ", " of", "ing ", "\u2581", "Ώ", "и", "על", "हि", "ไท", "==", "://"]
    random_texts = ["".join(rng.choices(alphabet, k=rng.randint(1, 60))) for _ in range(2000)]
    markers = ("<|", "<mask>", "<tool", "<unk>", "<s>", "[INST", "[IMG", "[TOOL")
    return [t for t in STRINGS + CORPUS + random_texts if not any(m in t for m in markers)]


def write(folder, name, source, file, encode, decode, size):
    target = os.path.join(folder, name)
    os.makedirs(target, exist_ok=True)
    shutil.copy(source, os.path.join(target, file))
    strings = texts()
    ids = [encode(text) for text in strings]
    rng = random.Random(5)
    sequences = [[rng.randrange(1000, size) for _ in range(rng.randint(1, 20))] for _ in range(300)] + ids[:500]
    with open(os.path.join(target, "golden.json"), "w", encoding="utf-8") as out:
        json.dump({"strings": strings, "encode": ids, "sequences": sequences, "decode": [decode(s) for s in sequences]}, out, ensure_ascii=False)


def main(folder):
    data = os.path.join(os.path.dirname(mistral_common.__file__), "data")
    for path in sorted(glob.glob(os.path.join(data, "*tokenizer*.model*"))):
        model = sentencepiece.SentencePieceProcessor(model_file=path)
        write(folder, os.path.basename(path), path, "tokenizer.model", model.encode, model.decode, model.vocab_size())
    for path in sorted(glob.glob(os.path.join(data, "tekken*.json"))):
        model = Tekkenizer.from_file(path)
        write(
            folder, os.path.basename(path), path, "tekken.json", lambda text: model.encode(text, bos=False, eos=False), model.decode,
            model.n_words)
    # Ranks alone; transformers makes the tokenizer.json that models come with.
    for module, pattern in ((llama_models.llama3.tokenizer, "pat_str"), (llama_models.llama4.tokenizer, "O200K_PATTERN")):
        model = module.Tokenizer.get_instance()
        path = os.path.join(os.path.dirname(module.__file__), "tokenizer.model")
        with tempfile.TemporaryDirectory() as temporary:
            file = os.path.join(temporary, "tokenizer.json")
            TikTokenConverter(
                path, pattern=getattr(module.Tokenizer, pattern), extra_special_tokens=list(model.special_tokens)
            ).converted().save(file)
            write(
                folder, module.__name__.split(".")[1], file, "tokenizer.json", lambda text: model.encode(text, bos=False, eos=False),
                model.decode, model.n_words - 2100)


if __name__ == "__main__":
    main(sys.argv[1])
