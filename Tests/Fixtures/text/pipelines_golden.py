"""Goldens for what tokenizer.json can say, by `tokenizers`: each model with many normalizers, cuts, decoders and processors.

Run in this folder:  pip install tokenizers sentencepiece && python pipelines_golden.py
Writes pipelines.json: small models as JSON text (kept where the file has them: training is not reproducible across versions),
pipelines as the rest of a tokenizer.json, and what the library makes of nasty texts with both.
"""
import base64
import json
import os
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from text_golden import CORPUS, HERE, STRINGS
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

PATH = os.path.join(HERE, "pipelines.json")
MARK = "\u2581"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK = [
    r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"]
KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def byte_level(regex=False, space=False):
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps, name="pretokenizers"):
    return {"type": "Sequence", name: list(steps)}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


def replace(old, new, kind="String"):
    return {"type": "Replace", "pattern": {kind: old}, "content": new}


def added(id, content, special=False, **flags):
    names = dict(single_word=False, lstrip=False, rstrip=False, normalized=False)
    return {"id": id, "content": content, **names, **flags, "special": special}


def charsmap():
    """A table of a few replacements, some of which are the beginning of others."""
    rules = {
        "ﬁ": "fi", "ﬀ": "ff", "Ａ": "A", "①": "1", "\u3000": " ", "\t": " ", "e\u0301": "\u00e9", "e": "e\u200b", "ä": "ae",
        "👍": "+", "👍🏽": "++", "ǅ": "", "½": "1⁄2", "안": "xx"}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "rules.tsv"), "w", encoding="utf-8") as file:
            for old, new in rules.items():
                file.write(" ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n")
        with open(os.path.join(folder, "corpus"), "w", encoding="utf-8") as file:
            file.write("\n".join(line for text in CORPUS for line in text.splitlines()))
        sentencepiece.SentencePieceTrainer.train(
            input=os.path.join(folder, "corpus"), model_prefix=os.path.join(folder, "m"), vocab_size=150,
            normalization_rule_tsv=os.path.join(folder, "rules.tsv"), minloglevel=2, hard_vocab_limit=False)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(open(os.path.join(folder, "m.model"), "rb").read())
        return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def trained_models():
    texts = [line for text in CORPUS for line in text.splitlines()]
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=260, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    pieces = [piece for piece in json.loads(unigram.to_str())["model"]["vocab"] if not set(piece[0]) & set("qöü世")]
    # Several ways of one score, a piece that comes twice, and one whose characters are none.
    pieces += [["ab", -7.0], ["ba", -7.0], ["a", -3.5], ["bb", -6.0], ["b", -3.0], ["aba", -10.5], ["qq", -25.0], ["ab", -6.5]]
    with_bytes = pieces[:3] + [[f"<0x{byte:02X}>", 0.0] for byte in range(256)] + pieces[3:]
    bytes_bpe = Tokenizer(models.BPE())
    bytes_bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_bpe.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    chars = Tokenizer(models.BPE(unk_token="[UNK]"))
    chars.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=330, special_tokens=["[UNK]"], show_progress=False))
    chars = json.loads(chars.to_str())["model"]
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.train_from_iterator([text.lower() for text in texts], trainers.WordPieceTrainer(
        vocab_size=330, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    return {
        "unigram": {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": False},
        "unigram-bytes": {"type": "Unigram", "unk_id": 2, "vocab": with_bytes, "byte_fallback": True},
        "bytes": json.loads(bytes_bpe.to_str())["model"],
        "characters": chars,
        "fused": {**chars, "fuse_unk": True, "merges": [" ".join(merge) for merge in chars["merges"] if " " not in "".join(merge)]},
        "ignoring": {**chars, "ignore_merges": True},
        "words": {**json.loads(words.to_str())["model"], "max_input_chars_per_word": 30},
    }


def pipelines(charsmap):
    mark = replace(MARK, " ")
    fused = [mark, {"type": "ByteFallback"}, {"type": "Fuse"}]
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    pair = {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [1, 1], "tokens": ["</s>", "</s>"]}}}
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}
    bert = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    specials = [added(0, "<s>", True), added(1, "</s>", True), added(2, "<unk>", True)]
    precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    yield "unigram", "xlm", dict(normalizer=sequence(precompiled, replace(" {2,}", " ", "Regex"), name="normalizers"), pre_tokenizer=sequence({"type": "WhitespaceSplit"}, metaspace()), decoder=metaspace(), post_processor=pair, added_tokens=specials)
    yield "unigram", "t5", dict(normalizer=precompiled, pre_tokenizer=metaspace("first"), decoder=metaspace("first"), post_processor=roberta, added_tokens=specials)
    yield "unigram", "whole", dict(normalizer={"type": "Nmt"}, pre_tokenizer=metaspace("never", False), decoder=metaspace("never"), added_tokens=specials)
    yield "unigram", "bare", dict()
    yield "unigram-bytes", "bytes", dict(normalizer=sequence({"type": "Prepend", "prepend": MARK}, replace(" ", MARK), name="normalizers"), decoder=sequence(*fused, strip, name="decoders"), added_tokens=specials)
    yield "unigram-bytes", "stripped", dict(normalizer={"type": "Strip", "strip_left": True, "strip_right": False}, pre_tokenizer=metaspace("first"), decoder=sequence(*fused, {**strip, "start": 3}, name="decoders"), added_tokens=specials)
    for name, cut in {
        "o200k": sequence(split(O200K), byte_level()), "removed": sequence(split(O200K, "Removed", True), byte_level()),
        "deepseek": sequence(*map(split, DEEPSEEK), byte_level()), "kimi": sequence(split(KIMI), byte_level()),
        "digits": sequence({"type": "Digits", "individual_digits": False}, byte_level(True)),
        "space": byte_level(True, True), "no-regex": byte_level(False), "space-whole": byte_level(False, True),
        "falcon": sequence({"type": "Punctuation", "behavior": "Contiguous"}, split("[0-9][0-9][0-9]"), byte_level(True)),
        "gpt2-by-split": sequence(split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), byte_level(True)),
        "lazy": sequence(split(r"(?i:th)e|\w{2,4}?|[^\W\d]+\d*+|(?:ab|a)+b?|(?=\d)\d{2}|[\x{4e00}-\u9fff]"), byte_level()),
        "lines": sequence(split(r"^\S+|\S+$|\r?\n", "MergedWithPrevious"), byte_level()),
        "empty": sequence(split(r"x*", "MergedWithNext"), byte_level()),
    }.items():
        yield "bytes", name, dict(pre_tokenizer=cut, decoder=byte_level(True), added_tokens=[added(5000, "<mask>", True, lstrip=True), added(5001, "tool", single_word=True, rstrip=True), added(5002, "Fr", normalized=True)], normalizer={"type": "NFC"} if name == "kimi" else None)
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield "characters", f"{behavior} {invert}", dict(pre_tokenizer=split("[aeiou ]", behavior, invert), decoder=None)
        yield "characters", f"string {behavior}", dict(pre_tokenizer=split(" ", behavior, behavior == "Isolated", "String"), decoder={"type": "Fuse"})
        yield "characters", f"punctuation {behavior}", dict(pre_tokenizer={"type": "Punctuation", "behavior": behavior}, decoder={"type": "Strip", "content": "a", "start": int(behavior < "M"), "stop": int(behavior > "M")})
    yield "fused", "whitespace", dict(pre_tokenizer={"type": "Whitespace"}, normalizer=sequence({"type": "NFKD"}, {"type": "StripAccents"}, name="normalizers"), decoder=sequence(replace("e", "E"), {"type": "Fuse"}, name="decoders"))
    yield "fused", "split", dict(pre_tokenizer={"type": "WhitespaceSplit"}, normalizer=replace("[a-c]+|(?:1|2)(?=9)", "Z", "Regex"))
    yield "fused", "delimiter", dict(pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "e"})
    yield "ignoring", "digits", dict(pre_tokenizer=sequence({"type": "Digits", "individual_digits": True}, {"type": "Whitespace"}))
    tokens = [added(0, "[UNK]", True), added(1, "[CLS]", True), added(2, "[SEP]", True)]
    wordpiece = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    for name, rules in {"bert": (True, True, None, True), "cased": (True, False, None, False), "accents": (False, True, True, False)}.items():
        keys = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
        yield "words", name, dict(normalizer={"type": "BertNormalizer", **dict(zip(keys, rules))}, pre_tokenizer={"type": "BertPreTokenizer"}, decoder={**wordpiece, "cleanup": name == "bert"}, post_processor=bert, added_tokens=tokens)


def texts():
    rng = random.Random(11)
    alphabet = list("abcxyz   \t\n\r'sStT0123456789²½.,!?<>éüqſ你世好안🎉\u0301\u00a0_-\u200d\u3000\ue000Ａ①\x00\x85\u2028K") + [
        "'ll", "<mask>", "tool", "Fr", "ﬁ", "👍🏽", "e\u0301", "\r\n", "<unk>", "aabbab", "qq", "\uc5ec\u11a8", "\u2e50", "\u1adb", "\u08cd", "\ua7ce", "\u166d", "<0x41>", MARK, "ǅ", "ä", "\U0001F468\u200d\U0001F469", "'RE", "The", "  "]
    short = [text for text in STRINGS if len(text) <= 30]
    return short + ["".join(rng.choices(alphabet, k=rng.randint(1, 14))) for _ in range(110)]


def goldens():
    old = json.load(open(PATH, encoding="utf-8")) if os.path.exists(PATH) else {}
    trained = old.get("models") or {name: json.dumps(model, ensure_ascii=False) for name, model in trained_models().items()}
    table = old.get("charsmap") or charsmap()
    rng = random.Random(3)
    strings = texts()
    cases = []
    for base, name, parts in pipelines(table):
        rest = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
                "post_processor": None, "decoder": None, **parts}
        size = len(json.loads(trained[base])["vocab"])
        rest["added_tokens"] = [{**token, "id": size + token["id"] - 5000 if token["id"] >= 5000 else token["id"]} for token in rest["added_tokens"]]
        head = json.dumps(rest, ensure_ascii=False)[:-1]
        tokenizer = Tokenizer.from_str(head + ', "model": ' + trained[base] + "}")
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in strings]
        sequences = [rng.choices(range(size), k=rng.randint(1, 9)) for _ in range(25)]
        if "bytes" in base:
            # Bytes of characters, broken ones between them.
            names = [f"<0x{b:02X}>" for b in (0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0xFF, 0x41)] if base != "bytes" else list("äåæçðñïĢģĤ½")
            pool = [i for i in map(tokenizer.token_to_id, names + ["a", MARK]) if i is not None]
            sequences += [rng.choices(pool, k=rng.randint(1, 9)) for _ in range(25)]
        cases.append({
            "name": name, "model": base, "head": head, "encode": ids, "special": tokenizer.encode("a").ids,
            "decode": [[list(s), tokenizer.decode(s, skip_special_tokens=False), tokenizer.decode(s)] for s in sequences],
            "back": [tokenizer.decode(s, skip_special_tokens=False) for s in ids[::7]]})
    return {"charsmap": table, "models": trained, "strings": strings, "pipelines": cases}


if __name__ == "__main__":
    value = goldens()
    with open(PATH, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
