"""Goldens for what Scripts/differ_tokenizers.py found, by `tokenizers`: one small tokenizer for each kind.

Run in this folder:  pip install tokenizers && python differences_golden.py
Writes differences.json: tokenizers as JSON text, what the library makes of texts without and with special tokens, and the text of
ids with special tokens and without.
"""
import json
import os

from tokenizers import Tokenizer

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.json")
MARK = "\u2581"


def bpe(tokens, **more):
    return {"type": "BPE", "vocab": {token: place for place, token in enumerate(tokens)}, "merges": [], **more}


def added(id, content, **flags):
    names = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {"id": id, "content": content, **names, **flags}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": False}


def metaspace(scheme):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": True}


def replace(pattern, new):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": new}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
ROBERTA = {"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0], "trim_offsets": True, "add_prefix_space": False}
WORDS = ["[UNK]", "a", "b", "##b"]
CASES = {
    "an added token is no part of a model of characters": (dict(model=bpe("ab_"), added_tokens=[added(3, "\u017f", single_word=True)]), ["a\u017fb", "\u017f", "a \u017f b"]),
    "nor is it a whole piece": (dict(model=bpe("ab9", ignore_merges=True), added_tokens=[added(3, "tool", single_word=True)]), ["9tool", "tool", "a tool"]),
    "nor a word": (dict(model={"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9, "vocab": {word: place for place, word in enumerate(WORDS)}},
                        added_tokens=[added(4, "ab", single_word=True)], pre_tokenizer={"type": "Whitespace"}), ["ab", "aab", "b ab_"]),
    "bytes that are unknown": (dict(model=bpe(["<unk>", *"ab\u0120"], unk_token="<unk>"), pre_tokenizer=BYTES, decoder=BYTES), ["a\u4f60b", "xx", ""]),
    "and fused": (dict(model=bpe(["<unk>", *"ab\u0120"], unk_token="<unk>", fuse_unk=True), pre_tokenizer=BYTES, decoder=BYTES), ["a\u4f60b", "xx"]),
    "bytes before what is unknown": (dict(model=bpe(["<unk>", "a", "<0x78>"], unk_token="<unk>", byte_fallback=True)), ["0x", "00xa0x0", "0xx"]),
    "and fused across them": (dict(model=bpe(["<unk>", "a", "<0x78>"], unk_token="<unk>", byte_fallback=True, fuse_unk=True)), ["0x", "00x0xa0x0"]),
    "a byte twice": (dict(model={"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": [["<unk>", 0], ["<0x78>", -1], ["a", -1], ["<0x78>", -2]]}, decoder={"type": "ByteFallback"}), ["axx", "x"]),
    "numbers of Latin-1 within brackets": (dict(model=bpe("ab\u00bd\u00b21"), pre_tokenizer=split(r"[^\W\d]+")), ["\u00bda1\u00b2b"]),
    "and outside of them": (dict(model=bpe("ab\u00bd\u00b21"), pre_tokenizer=split(r"\w")), ["\u00bda1\u00b2b."]),
    "a beginning in the place of several characters": (dict(model=bpe(["a", "b", MARK]), normalizer=replace("^[xy]+", "b"), pre_tokenizer=metaspace("first")), ["xya", "xa", "a", "a xx"]),
    "a beginning of several pieces": (dict(model=bpe(["a", "1", "2", "\u2044", "\u4f60", MARK]), normalizer={"type": "NFKD"}, pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, metaspace("first")]}), ["\u00bda", "a\u00bd", "12"]),
    "a beginning behind what was put before it": (dict(model=bpe(["a", "\u4f60", MARK]), normalizer={"type": "Sequence", "normalizers": [{"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, {"type": "Strip", "strip_left": True, "strip_right": True}]}, pre_tokenizer=metaspace("first")), ["\u4f60a", "a\u4f60", " a"]),
    "a beginning that is stripped from behind": (dict(model=bpe(["a", MARK]), normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK}, {"type": "Strip", "strip_left": True, "strip_right": True}]}, pre_tokenizer={**metaspace("first"), "replacement": "a"}), ["\r\n", "\n", ""]),
    "a beginning that is a token": (dict(model=bpe(["a", "\u4f60", MARK]), normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, pre_tokenizer=metaspace("first"), added_tokens=[added(3, " ", normalized=True)]), ["\u4f60a", "a\u4f60"]),
    "marks behind marks": (dict(model=bpe(["a", ".", "_", MARK]), normalizer={"type": "Prepend", "prepend": "."}, pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, metaspace("first"), {"type": "Punctuation", "behavior": "Isolated"}, {**metaspace("first"), "replacement": "_"}]}), ["a", "a.a", ". a"]),
    "space that is swallowed twice": (dict(model=bpe("ab"), added_tokens=[added(2, " ", lstrip=True, rstrip=True)]), ["  ", "a    b", " "]),
    "and space that is not": (dict(model=bpe("ab "), added_tokens=[added(2, " ", rstrip=True)]), ["  ", "a    b"]),
    "marks in order": (dict(model=bpe("ab\u0301\u0f71\u0f72\u0f74\u0f80\u0327"), normalizer={"type": "NFD"}), ["a\u0301\u0f73", "\u0301\u0f75b\u0327\u0f81"]),
    "and composed": (dict(model=bpe("ab\u0301\u0f71\u0f72\u0f74\u0f80\u0327\u00e1"), normalizer={"type": "NFKC"}), ["a\u0301\u0f73", "\u0301\u0f75b\u0327\u0f81"]),
    "tokens that look the same": (dict(model=bpe("ab"), added_tokens=[added(2, "\u00e9"), added(3, "e\u0301", special=True)]), ["a\u00e9be\u0301"]),
    "special tokens that look the same": (dict(model=bpe("ab"), added_tokens=[added(2, "\u00e9"), added(3, "e\u0301")], post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "e\u0301", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "\u00e9", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                                               "special_tokens": {"e\u0301": {"id": "e\u0301", "ids": [3], "tokens": ["e\u0301"]}, "\u00e9": {"id": "\u00e9", "ids": [2], "tokens": ["\u00e9"]}}}), ["a"]),
    "marks around what vanishes": ({"model": {**bpe([" ", "a", "  "]), "merges": [[" ", " "]]}, "decoder": metaspace("never") | {"replacement": " "}}, [" o ", " a o a "]),
    "a beginning that is composed twice": (dict(model=bpe(["/", "\u00e9", "e", MARK]), normalizer={"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFKC"}]}, pre_tokenizer={"type": "Sequence", "pretokenizers": [split("x"), {"type": "Split", "pattern": {"String": "\u00e9"}, "behavior": "MergedWithPrevious", "invert": False}, metaspace("first")]}), ["e\u0301/", "\u00e9/"]),
    "what RoBERTa puts around what BERT did": (dict(model=bpe("ab"), post_processor={"type": "Sequence", "processors": [{"type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]}, ROBERTA]}), ["", "ab"]),
}  # fmt: skip


def main():
    cases = []
    for name, (parts, texts) in CASES.items():
        file = json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None, **parts})
        tokenizer = Tokenizer.from_str(file)
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        sequences = ids + [list(range(tokenizer.get_vocab_size() + 1))]
        cases.append({
            "name": name, "file": file, "texts": texts, "encode": ids, "special": [tokenizer.encode(text).ids for text in texts],
            "decode": [[ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids)] for ids in sequences]})
    with open(PATH, "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=True, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
