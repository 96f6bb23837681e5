"""Looks for tokenizers that Apus and Hugging Face's tokenizers read differently.

    VENV/bin/python Scripts/differ_tokenizers.py --seconds 3600 --seed 1 --program Fuzzing/.build/release/AnswerTokens

Makes up small tokenizer.json files and nasty texts, and compares the ids of every text without and with special tokens, and the
text of ids with special tokens and without. What Apus refuses by name (unsupported) is counted apart, with its messages. Where
the library fails, on a file or on one text, Apus may do what it likes. A difference is shown with the smallest tokenizer and text
that still have it. Needs the package tokenizers,
which runs in a process of its own: it may take all the memory there is.
"""

import argparse
import collections
import copy
import json
import os
import random
import re
import resource
import select
import subprocess
import sys
import time

from line_program import Program
from tokenizers import Tokenizer

MARK = "\u2581"
LETTERS = list("abeth1'.,") + ["é", "你"]
# What texts are made of; now and then any character that there is.
PIECES = list("aabbeetthh   \t\n\r'sSTxyz0129²½.,!?<>éüqſİıßǅΣ你世好안🎉\u0301\u0308\u0327\u00a0_-\u200d\u200b\u3000\ue000Ａ①\x00\x01\x85\u2028Kﬁﷺ\ufeff\ufffd\u00ad") + [
    "ab", "th", "the ", "'ll", "'RE", "<s>", "</s>", "<unk>", "[UNK]", "tool", "Fr", "a b", "👍🏽", "e\u0301", "\r\n", "aabbab", "\uc5ec\u11a8", "\u1100\u1161\u11a8", "\u2e50", "\u1adb", "\u0f71\u0f73",
    "\u08cd", "\ua7ce", "\u166d", "<0x41>", MARK, "ä", "\U0001F468\u200d\U0001F469", "  ", "    ", "\u0915\u093c", "\U0001d15e", "\u2126", " do not", " n't", " '", "##a", "\u0345\u0301",
]  # fmt: skip
EXPRESSIONS = [
    " ", r"\s+", r"\d", r"\p{N}{1,3}", r"[aeiou ]", r"\w+|[^\w\s]+", r"x*", r"a|ab", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+", r"[^\p{L}]", r"(?=b)", r"a(?!b)", r"\p{P}", r"[\p{L}&&[^\p{Han}]]+|\p{Han}", r"^\S+|\S+$",
    r"(?:ab|a)+b?", r"\w{2,4}?", r"[^\W\d]+", r".", r"\S+\s?", r"[\x{4e00}-\u9fff]+", r"\p{Lt}|\p{S}|\p{Z}", r"\r?\n", r"b$", r"\p{C}", r"[[:alpha:]]", r"(?<=a)b",
]  # fmt: skip
BYTES = dict(zip([*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)], map(chr, [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)])))
for byte in range(256):
    BYTES.setdefault(byte, chr(256 + len([known for known in BYTES if ord(BYTES[known]) >= 256])))


class Grammar:
    """Makes one tokenizer.json and its texts."""

    def __init__(self, seed, charsmap):
        self.r = random.Random(seed)
        self.charsmap = charsmap

    def one(self, options):
        return self.r.choice(options)

    def maybe(self, chance=0.5):
        return self.r.random() < chance

    def some(self, make, most, key):
        """Nothing, one step, or a sequence of them."""
        steps = [make() for _ in range(self.one([0, 1, 1, 2, 3][: most + 2]))]
        if len(steps) == 1 and self.maybe(0.8):
            return steps[0]
        return {"type": "Sequence", key: steps} if steps else None

    # Models

    def merged(self, atoms, count):
        """Tokens made of two each, and how."""
        tokens, merges = list(atoms), []
        for _ in range(count):
            left, right = self.one(tokens), self.one(tokens)
            if [left, right] not in merges:
                merges.append([left, right])
                if left + right not in tokens:
                    tokens.append(left + right)
        return tokens, merges

    def byte_tokens(self):
        wanted = range(256) if self.maybe() else self.r.sample(range(256), self.r.randint(0, 60)) + list("é你".encode())
        return [f"<0x{byte:02X}>" for byte in dict.fromkeys(wanted)]

    def bpe(self):
        is_bytes = self.maybe(0.4)
        if is_bytes:
            known = range(256) if self.maybe(0.6) else [byte for byte in range(256) if self.maybe(0.7)]
            atoms = [BYTES[byte] for byte in known]
        else:
            atoms = [letter for letter in [*LETTERS, MARK, " ", "\u0301"] if self.maybe(0.85)] or ["a"]
        shared = [atom for atom in atoms if atom in "abeth" + BYTES[32] + MARK] or atoms
        tokens, merges = self.merged(shared if self.maybe(0.7) else atoms, self.r.randint(0, 14))
        unknown, falls = self.one([None, "[UNK]", "<unk>"]), not is_bytes and self.maybe(0.35)
        tokens = ([unknown] if unknown else []) + self.byte_tokens() * falls + list(dict.fromkeys([*atoms, *tokens]))
        if self.maybe(0.2):
            self.r.shuffle(tokens)
        if self.maybe():
            merges = [" ".join(pair) for pair in merges] if not any(" " in half for pair in merges for half in pair) else merges
        model = {"type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": self.maybe(),
                 "byte_fallback": falls, "ignore_merges": self.maybe(0.3), "vocab": {token: place for place, token in enumerate(tokens)}, "merges": merges}  # fmt: skip
        if self.maybe(0.03):
            model[self.one(["continuing_subword_prefix", "end_of_word_suffix"])] = self.one(["##", "</w>", ""])
        return model, "bytes" if is_bytes else "fallback" if falls else "characters"

    def unigram(self):
        atoms = [letter for letter in [*LETTERS, MARK, " ", "\u0301", "ﬁ"] if self.maybe(0.8)] or ["a"]
        tokens, _ = self.merged(atoms, self.r.randint(0, 14))
        falls = self.maybe(0.35)
        tokens = ["<unk>", "<s>"] + self.byte_tokens() * falls + tokens
        scores = self.one([lambda: -self.r.random() * 10, lambda: -float(self.r.randint(0, 6)), lambda: 0.0, lambda: self.r.random() * 4 - 2])
        vocab = [[token, scores()] for token in tokens]
        if self.maybe(0.1):
            vocab.append([self.one(tokens[2:]), scores()])
        unknown = self.one([0, 0, 0, 0, 1, len(vocab) - 1, None])
        return {"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": falls}, "fallback" if falls else "characters"

    def word_piece(self):
        prefix = self.one(["##", "##", "@", ""])
        tokens, _ = self.merged(list("abeth1") + ["é", "你", ".", "'"], self.r.randint(0, 10))
        tokens = ["[UNK]", "[CLS]", "[SEP]"] + [token for token in tokens if self.maybe(0.9)]
        tokens += [prefix + token for token in tokens[3:] if self.maybe(0.8)]
        return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix, "max_input_chars_per_word": self.one([100, 100, 3, 1, 0]),
                "vocab": {token: place for place, token in enumerate(dict.fromkeys(tokens))}}, "words"  # fmt: skip

    # Steps

    def pattern(self):
        if self.maybe(0.35):
            return {"String": self.one([" ", "a", "ab", MARK, "é", "\n", ".", "  ", "你", "e\u0301", "\u0301"])}
        return {"Regex": self.one(EXPRESSIONS)}

    def normalizer(self):
        kind = self.one(["NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace", "Replace", "Lowercase", "StripAccents", "Nmt", "Strip", "BertNormalizer", "Precompiled"])
        step = {"type": kind}
        if kind == "Prepend":
            step["prepend"] = self.one([MARK, " ", "ab"])
        elif kind == "Replace":
            pattern = self.pattern()
            if pattern in ({"Regex": "x*"}, {"Regex": "(?=b)"}):
                # What is put where nothing was comes out twice behind the library's ByteLevel.
                pattern = {"Regex": "x+"}
            step |= {"pattern": pattern, "content": self.one(["", MARK, " ", "x", "ab", "é"])}
        elif kind == "Strip":
            step |= {"strip_left": self.maybe(), "strip_right": self.maybe()}
        elif kind == "BertNormalizer":
            step |= {"clean_text": self.maybe(), "handle_chinese_chars": self.maybe(), "strip_accents": self.one([None, True, False]), "lowercase": self.maybe()}
        elif kind == "Precompiled":
            step["precompiled_charsmap"] = self.charsmap
        return step

    def metaspace(self):
        step = {"type": "Metaspace", "replacement": self.one([MARK, MARK, MARK, "_", "a", " "]), "prepend_scheme": self.one(["always", "first", "never"]), "split": self.maybe(0.7)}
        if self.maybe(0.1):
            # The library takes it from old files where it says the same.
            step["add_prefix_space"] = step["prepend_scheme"] != "never"
        return step

    def byte_level(self):
        return {"type": "ByteLevel", "add_prefix_space": self.maybe(0.4), "trim_offsets": self.maybe(), "use_regex": self.maybe(0.6)}

    def cut(self):
        kind = self.one(["Metaspace", "Metaspace", "Split", "Split", "Split", "Digits", "Punctuation", "Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit", "UnicodeScripts", "FixedLength"])
        if kind in ("UnicodeScripts", "FixedLength") and self.maybe(0.9):
            kind = "Split"
        behavior = self.one(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
        step = {"type": kind}
        if kind == "Metaspace":
            return self.metaspace()
        if kind == "Split":
            step |= {"pattern": self.pattern(), "behavior": behavior, "invert": self.maybe(0.3)}
        elif kind == "Digits":
            step["individual_digits"] = self.maybe()
        elif kind == "Punctuation" and self.maybe(0.8):
            step["behavior"] = behavior
        elif kind == "CharDelimiterSplit":
            step["delimiter"] = self.one([" ", "e", "é", "你"])
        elif kind == "FixedLength":
            step["length"] = 3
        return step

    def cuts(self, form):
        steps = [self.cut() for _ in range(self.one([0, 1, 1, 2, 3]))]
        if form == "bytes" and self.maybe(0.97):
            steps = [step for step in steps if step["type"] != "Metaspace" or self.maybe(0.2)][:2] + [self.byte_level()]
        if form == "words" and self.maybe(0.7):
            steps = [{"type": self.one(["BertPreTokenizer", "Whitespace", "WhitespaceSplit"])}]
        return steps[0] if len(steps) == 1 and self.maybe(0.8) else {"type": "Sequence", "pretokenizers": steps} if steps else None

    def piece_decoder(self):
        kind = self.one(["Replace", "Replace", "Metaspace", "WordPiece", "Strip", "Fuse", "ByteFallback", "BPEDecoder", "CTC"])
        if kind in ("BPEDecoder", "CTC") and self.maybe(0.9):
            kind = "Strip"
        step = {"type": kind}
        if kind == "Metaspace":
            return self.metaspace()
        if kind == "Replace":
            step |= {"pattern": {"String": self.one([MARK, "a", "ab", "é"])}, "content": self.one([" ", "", "x", "bb"])}
        elif kind == "WordPiece":
            step |= {"prefix": self.one(["##", "@", ""]), "cleanup": self.maybe()}
        elif kind == "Strip":
            step |= {"content": self.one([" ", "a", MARK, "é"]), "start": self.r.randint(0, 2), "stop": self.r.randint(0, 2)}
        elif kind == "BPEDecoder":
            step["suffix"] = "</w>"
        elif kind == "CTC":
            step |= {"pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}
        return step

    def decoder(self, form):
        mark = {"type": "Replace", "pattern": {"String": MARK}, "content": " "}
        strip = {"type": "Strip", "content": " ", "start": self.r.randint(0, 2), "stop": 0}
        if form == "bytes" and self.maybe(0.97):
            return self.byte_level()
        if form == "words" and self.maybe(0.7):
            return {"type": "WordPiece", "prefix": self.one(["##", "##", "@", ""]), "cleanup": self.maybe()}
        if form == "fallback" and self.maybe(0.8):
            return {"type": "Sequence", "decoders": [mark] * self.maybe(0.8) + [{"type": "ByteFallback"}] + [{"type": "Fuse"}, strip] * self.maybe(0.8)}
        return self.some(self.piece_decoder, 3, "decoders")

    def tokens(self, vocabulary, twice):
        """Tokens that are added, some of them from the vocabulary."""
        contents = self.r.sample(["<s>", "</s>", "tool", "a b", "Fr", " x", "ab", "é", "E", "你", "<unk>", "[UNK]", "th", "e\u0301", "<mask>", " ", "ſ", "a", "\n", MARK + "a", "##a", "<s>a"], self.one([0, 1, 2, 3, 5]))
        tokens, next_id = [], len(vocabulary) + bool(twice)
        for content in contents:
            if content == twice:
                # The library takes both for the added one, by their text.
                continue
            is_known = content in vocabulary
            flags = {name: self.maybe(0.25) for name in ("single_word", "lstrip", "rstrip")}
            tokens.append({"id": vocabulary[content] if is_known else next_id, "content": content, **flags, "normalized": self.maybe(), "special": self.maybe()})
            next_id += not is_known
        return tokens

    def processor(self, ids):
        def step():
            one, other = self.one(list(ids.items())), self.one(list(ids.items()))
            kind = self.one(["ByteLevel", "RobertaProcessing", "BertProcessing", "TemplateProcessing", "TemplateProcessing"])
            if kind == "ByteLevel":
                return self.byte_level()
            if kind == "TemplateProcessing":
                special = {name: {"id": name, "ids": [id] * self.one([1, 1, 2]), "tokens": [name]} for name, id in (one, other)}
                for entry in special.values():
                    entry["tokens"] *= len(entry["ids"])
                around = [{"SpecialToken": {"id": name, "type_id": 0}} for name in (one[0], other[0])]
                single = around[:1] * self.maybe() + [{"Sequence": {"id": "A", "type_id": 0}}] + around[1:] * self.maybe()
                return {"type": kind, "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}
            more = {"trim_offsets": True, "add_prefix_space": self.maybe()} if kind == "RobertaProcessing" else {}
            return {"type": kind, "sep": list(one), "cls": list(other), **more}

        return self.some(step, 2, "processors")

    def tokenizer(self):
        model, form = self.one([self.bpe, self.bpe, self.bpe, self.unigram, self.unigram, self.word_piece])()
        entries = model["vocab"]
        vocabulary = entries if isinstance(entries, dict) else {entry[0]: place for place, entry in enumerate(entries)}
        added = self.tokens(vocabulary, entries[-1][0] if len(vocabulary) < len(entries) else None)
        ids = {**vocabulary, **{token["content"]: token["id"] for token in added}}
        cuts, decoder = self.cuts(form), self.decoder(form)
        if decoder is None and "ByteLevel" in json.dumps(cuts):
            # What bytes mean without a decoder is not compared.
            decoder = self.byte_level()
        return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": self.some(self.normalizer, 3, "normalizers"), "pre_tokenizer": cuts,
                "post_processor": self.processor(ids), "decoder": decoder, "model": model}, max(ids.values()) + 1  # fmt: skip

    def character(self):
        if self.maybe(0.93):
            return self.one(PIECES)
        plane = self.one([0x250, 0x3000, 0x10000, 0x20000, 0x110000])
        value = self.r.randrange(plane)
        return "\ufffd" if 0xD800 <= value < 0xE000 else chr(value)

    def texts(self):
        return ["".join(self.character() for _ in range(self.r.randint(0, 12))) for _ in range(14)]

    def sequences(self, size):
        return [[self.r.randrange(size + 2) for _ in range(self.r.randint(1, 8))] for _ in range(6)]


def ask(program, requests):
    return program.answers([{"tokenizer": json.dumps(file), "texts": texts, "ids": ids} for file, texts, ids in requests])


def attempt(body):
    """None where the library fails, be it by a panic."""
    try:
        return body()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001: a panic is no Exception
        return None


def normalized(tokenizer, token):
    wants = token["normalized"] and tokenizer.normalizer
    return tokenizer.normalizer.normalize_str(token["content"]) if wants else token["content"]


def reference(file, texts, ids):
    """What the library makes of a request, None where it cannot read the file."""
    tokenizer = attempt(lambda: Tokenizer.from_str(json.dumps(file)))
    if tokenizer is None:
        return None
    added = [(token, attempt(lambda: normalized(tokenizer, token))) for token in file["added_tokens"]]  # noqa: B023
    contents = [content for token, content in added]
    if "" in contents or len(set(contents)) < len(contents):
        # The library cuts text everywhere, or takes one of the tokens by chance.
        return {}
    answer = {"changed": [token["id"] for token, content in added if content != token["content"]]}
    for key, special in (("ids", False), ("special", True)):
        answer[key] = [attempt(lambda: tokenizer.encode(text, add_special_tokens=special).ids) for text in texts]  # noqa: B023
    if ids is None:
        ids = [sequence for sequence in answer["ids"][::2] if sequence]
        answer["sequences"] = ids
    for key, skips in (("plain", False), ("skipped", True)):
        answer[key] = [attempt(lambda: tokenizer.decode(sequence, skip_special_tokens=skips)) for sequence in ids]  # noqa: B023
    return answer


class Reference:
    """The library in a process of its own, which is started anew when it takes too long or too much memory."""

    def __init__(self):
        self.lost, self.process = 0, None

    def answer(self, *request):
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, __file__, "--reference"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 10)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.process.kill()
        self.process.wait()
        self.process = None
        self.lost += 1
        return {}

    @staticmethod
    def serve():
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        for line in sys.stdin:
            print(json.dumps(reference(*json.loads(line))), flush=True)


def differences(request, answer, library):
    """What both make differently: the key of the answer, the text or ids, what the library has and what Apus has."""
    if answer.get("code") == "unsupported":
        return []
    if answer.get("code") == "crash":
        return [("file", None, None, "crashed")]
    wanted = library.answer(*request)
    if not wanted:
        return []
    if "error" in answer:
        return [("file", None, "read", answer["error"])]
    _, texts, ids = request
    # Since 0.23 the library decodes an added token to what normalizing makes of it, even a special one that is to be left out.
    changed = set(wanted["changed"])
    return [(key, item, theirs, ours) for key, items in {"ids": texts, "special": texts, "plain": ids, "skipped": ids}.items()
            for item, theirs, ours in zip(items, wanted[key], answer[key])
            if theirs is not None and theirs != ours and not (key in ("plain", "skipped") and changed.intersection(item))]  # fmt: skip


LISTS = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "decoder": "decoders", "post_processor": "processors"}


def smaller_files(file):
    """The same tokenizer with one thing less."""
    for key, name in LISTS.items():
        step = file[key]
        if step is None:
            continue
        # What bytes mean without a decoder is not compared.
        if key != "decoder" or step["type"] != "ByteLevel":
            yield {**file, key: None}
        for place in range(len(step.get(name, []))):
            steps = step[name][:place] + step[name][place + 1 :]
            yield {**file, key: steps[0] if len(steps) == 1 else {**step, name: steps}}
    added = file["added_tokens"]
    for place, token in enumerate(added):
        # Later ids move up when a token goes that only this list has.
        rest = copy.deepcopy(added[:place] + added[place + 1 :])
        if token["id"] >= len(file["model"]["vocab"]):
            for other in rest:
                other["id"] -= other["id"] > token["id"]
        yield {**file, "added_tokens": rest}
        for flag in ("single_word", "lstrip", "rstrip", "normalized", "special"):
            if token[flag]:
                yield {**file, "added_tokens": added[:place] + [{**token, flag: False}] + added[place + 1 :]}
    model = file["model"]
    for flag in ("fuse_unk", "byte_fallback", "ignore_merges"):
        if model.get(flag):
            yield {**file, "model": {**model, flag: False}}
    for place in range(len(model.get("merges", []))):
        yield {**file, "model": {**model, "merges": model["merges"][:place] + model["merges"][place + 1 :]}}
    used = {id for token in added for id in [token["id"]]}
    if isinstance(model["vocab"], list) and file["post_processor"] is None and not used and not model["byte_fallback"]:
        for place in range(len(model["vocab"])):
            if place > (model["unk_id"] or 0):
                yield {**file, "model": {**model, "vocab": model["vocab"][:place] + model["vocab"][place + 1 :]}}


def smallest(request, found, program, library):
    """Takes parts of the tokenizer and of the text away as long as a difference of the kind stays."""
    file, key, item = request[0], found[0], found[1]

    def requests(files, items):
        if item is None:
            return [(file, request[1], request[2]) for file in files]
        return [(file, [i] if key in ("ids", "special") else [], [i] if key in ("plain", "skipped") else []) for file in files for i in items]

    def first(candidates):
        for request, answer in zip(candidates, ask(program, candidates)):
            differ = [difference for difference in differences(request, answer, library) if difference[0] == key]
            if differ:
                return request[0], differ[0]
        return None

    changed = True
    while changed:
        changed = False
        shorter = [item[:start] + item[start + count :] for count in (8, 4, 2, 1) for start in range(len(item or "")) if item]
        for candidates in (requests(list(smaller_files(file)), [item]), requests([file], shorter)):
            better = first(candidates) if candidates else None
            if better:
                file, found, changed = better[0], better[1], True
                item = found[1]
    return file, found


def shown(file):
    """A file without what says nothing, and a vocabulary of bytes by its size."""
    file = {key: value for key, value in file.items() if value and key != "version"}
    model = {key: value for key, value in file["model"].items() if value not in (None, False)}
    if len(model["vocab"]) > 60:
        entries = model["vocab"] if isinstance(model["vocab"], list) else list(model["vocab"].items())
        model["vocab"] = f"{len(entries)} tokens with {[entry for entry in entries if not re.fullmatch('<0x..>|.', entry[0])]}"
    return re.sub(r'(_charsmap": ")[^"]*', r"\1…", json.dumps({**file, "model": model}, ensure_ascii=True))


def report(file, found):
    print("DIFFERS", shown(file), f"\n  {found[0]} of", json.dumps(found[1]), "\n  tokenizers:", json.dumps(found[2]), "\n  Apus:      ", json.dumps(found[3]), flush=True)


def batch(seed, count, charsmap, library):
    requests = []
    for number in range(seed, seed + count):
        grammar = Grammar(number, charsmap)
        (file, size), texts = grammar.tokenizer(), grammar.texts()
        answer = library.answer(file, texts, None)
        requests.append((file, texts, (answer or {}).get("sequences", []) + grammar.sequences(size)))
    return requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", required=True)
    parser.add_argument("--most", type=int, default=20, help="differences to show before it stops")
    options = parser.parse_args()
    fixture = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Tests/Fixtures/text/pipelines.json")
    charsmap = json.load(open(fixture, encoding="utf-8"))["charsmap"]
    program, library, seed, counts, refusals, seen = Program(options.program), Reference(), options.seed, collections.Counter(), collections.Counter(), set()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end and len(seen) < options.most:
        requests = batch(seed, 50, charsmap, library)
        seed += 50
        for request, answer in zip(requests, ask(program, requests)):
            counts["tokenizers"] += 1
            counts["read"] += "ids" in answer
            counts["texts"] += len(answer.get("ids", []))
            if answer.get("code") == "unsupported":
                counts["refused"] += 1
                refusals[re.sub(r"^tokenizer.json: | is not supported; use.*", "", answer["error"])[:90]] += 1
                continue
            found = differences(request, answer, library)
            counts["different"] += bool(found)
            if not found:
                continue
            file, difference = smallest(request, found[0], program, library)
            if (name := shown(file)) not in seen:
                seen.add(name)
                report(file, difference)
    print(dict(counts), "library lost", library.lost, "seeds", options.seed, "to", seed - 1, "differences", len(seen))
    for message, count in refusals.most_common(20):
        print(f"{count:8} {message}")


if __name__ == "__main__":
    Reference.serve() if sys.argv[1:] == ["--reference"] else main()
