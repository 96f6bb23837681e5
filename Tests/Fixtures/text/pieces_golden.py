"""Goldens for vocabularies of characters (SentencePiece's kind of BPE), by `tokenizers`.

Run in this folder:  pip install transformers tokenizers jinja2 && python pieces_golden.py
Writes the small tokenizers (only where they are missing: training is not reproducible across versions) and pieces.json.
"""
import json
import os
import random

from text_golden import CORPUS, HERE, STRINGS
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

MARK = "\u2581"
SPACES = normalizers.Replace(" ", MARK)
FUSED = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]


def model(falls_back, vocabulary=500):
    """Merges of a small corpus behind the unknown, the first and the last token and those of all bytes."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=["<unk>"], show_progress=False))
    learned = json.loads(trained.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if falls_back else [])
    tokens += [token for token, _ in sorted(learned["vocab"].items(), key=lambda item: item[1]) if token != "<unk>"]
    # Of this alphabet some characters are left out: they are spelled in bytes, or unknown.
    tokens = [token for token in tokens if not set(token) & set("äöü世q")]
    ids = {token: id for id, token in enumerate(tokens)}
    merges = [tuple(merge) for merge in learned["merges"] if all(part in ids for part in (*merge, "".join(merge)))]
    return models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=falls_back)


def make(name, falls_back=True, normalizer=None, cut=None, decoder=None, prefix=("<s>",), more=()):
    path = os.path.join(HERE, name, "tokenizer.json")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        tokenizer = Tokenizer(model(falls_back))
        if normalizer:
            tokenizer.normalizer = normalizer
        if cut:
            tokenizer.pre_tokenizer = cut
        tokenizer.decoder = decoder
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>", *more])
        tokenizer.add_tokens([AddedToken("<tool>", normalized=True), AddedToken("a b", normalized=False)])
        if prefix:
            tokenizer.post_processor = processors.TemplateProcessing(
                single=" ".join(prefix) + " $A", pair=" ".join(prefix) + " $A $B",
                special_tokens=[(token, tokenizer.token_to_id(token)) for token in prefix])
        tokenizer.save(path, pretty=False)
    return Tokenizer.from_file(path)


def goldens():
    strip = decoders.Strip(" ", 1, 0)
    legacy = normalizers.Sequence([normalizers.Prepend(MARK), SPACES])
    tokenizers = {
        # Llama 2 and Phi-3 as they were converted first, and as they are now.
        "text/llama2": make("llama2", normalizer=legacy, decoder=decoders.Sequence([*FUSED, strip])),
        "text/mistral": make(
            "mistral", cut=pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
            decoder=decoders.Sequence([*FUSED, strip])),
        "text/gemma": make(
            "gemma", normalizer=SPACES, cut=pre_tokenizers.Split(" ", "merged_with_previous"),
            decoder=decoders.Sequence(FUSED), more=["<start_of_turn>", "<end_of_turn>"]),
        # No bytes: what is unknown stays so.
        "text/words": make(
            "words", falls_back=False, normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
            cut=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(), prefix=()),
    }
    rng = random.Random(7)
    alphabet = list("abcxyz   \t\n'sStT019²½.,!?<>éüqſ你世好🎉\u0301\u00a0_" + MARK) + [
        "<s>", "</s>", "<tool>", "a b", " a b ", "  ", "\r\n", "<0x0A>", "ﬁ", "Ⅷ"]
    texts = STRINGS + ["".join(rng.choices(alphabet, k=rng.randint(1, 40))) for _ in range(60)]
    out = {}
    for name, tokenizer in tokenizers.items():
        size = max(tokenizer.get_vocab().values()) + 1
        sequences = [[rng.randrange(size) for _ in range(rng.randint(1, 30))] for _ in range(20)]
        # Bytes, valid and not, between other tokens.
        byte = [tokenizer.token_to_id(f"<0x{value:02X}>") for value in (0x20, 0x41, 0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0xFF)]
        pieces = [i for i in byte + [tokenizer.token_to_id(MARK), tokenizer.token_to_id("a"), 1] if i is not None]
        sequences += [rng.choices(pieces, k=rng.randint(1, 12)) for _ in range(30)]
        out[name] = {
            "vocab_size": size,
            "encode": [tokenizer.encode(text, add_special_tokens=False).ids for text in texts],
            "encode_special": [tokenizer.encode(text).ids for text in texts[:8]],
            "decode": [
                [ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids)] for ids in sequences],
        }
    return {"strings": texts, "tokenizers": out}


if __name__ == "__main__":
    with open(os.path.join(HERE, "pieces.json"), "w", encoding="utf-8") as file:
        json.dump(goldens(), file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
