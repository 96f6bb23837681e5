"""Makes rewards_golden.json: what Python itself gives for the built-in rewards on awkward texts.

    python3 rewards_golden.py > rewards_golden.json        (standard library only; made with Python 3.11)

tutorial: the Unsloth GRPO tutorial's functions as they stand there.
demo, corrected: the definitions that Apus documents, written with Python's own re, str and decimal.
"""
import json
import random
import re
from decimal import Decimal

# ---- tutorial -------------------------------------------------------------------------------------------------------


def correctness_reward_func(prompts, completions, answer, **kwargs):
    responses = [c[0]["content"] for c in completions]
    extracted = [r.split("<answer>")[-1].split("</answer>")[0].strip() if "<answer>" in r else "" for r in responses]
    return [2.0 if e == a else 0.0 for e, a in zip(extracted, answer)]


def int_reward_func(completions, **kwargs):
    responses = [c[0]["content"] for c in completions]
    extracted = [r.split("<answer>")[-1].split("</answer>")[0].strip() if "<answer>" in r else "" for r in responses]
    return [0.5 if e.isdigit() else 0.0 for e in extracted]


def soft_format_reward_func(completions, **kwargs):
    pattern = r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>"
    responses = [c[0]["content"] for c in completions]
    return [0.5 if re.search(pattern, r) else 0.0 for r in responses]


def xmlcount_reward_func(completions, **kwargs):
    responses = [c[0]["content"] for c in completions]
    scores = []
    for r in responses:
        score = 0.0
        if r.count("<reasoning>") == 1:
            score += 0.25
        if r.count("</reasoning>") == 1:
            score += 0.25
        if r.count("<answer>") == 1:
            score += 0.25
        if r.count("</answer>") == 1:
            score += 0.25
        scores.append(score)
    return scores


def strict_format_reward_func(completions, **kwargs):
    pattern = r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$"
    responses = [c[0]["content"] for c in completions]
    return [0.5 if re.match(pattern, r) else 0.0 for r in responses]


TUTORIAL = [
    xmlcount_reward_func, soft_format_reward_func, strict_format_reward_func, int_reward_func, correctness_reward_func,
]

# ---- demo -----------------------------------------------------------------------------------------------------------


def xml_answer(t):
    return t.split("<answer>")[-1].split("</answer>")[0].strip()


def xml_count_trailing(t):
    c = 0.0
    if t.count("<reasoning>\n") == 1:
        c += 0.125
    if t.count("\n</reasoning>\n") == 1:
        c += 0.125
    if t.count("\n<answer>\n") == 1:
        c += 0.125
        c -= len(t.split("\n</answer>\n")[-1]) * 0.001
    if t.count("\n</answer>") == 1:
        c += 0.125
        c -= (len(t.split("\n</answer>")[-1]) - 1) * 0.001
    return c


SOFT = re.compile(r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>", re.S)
STRICT = re.compile(r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$", re.S)

# ---- corrected ------------------------------------------------------------------------------------------------------

NUMBER = re.compile(
    r"(?:[-+\u2212]?[$€£¥₹]?|[$€£¥₹][-+\u2212])((?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?)\.?")


def number(text):
    """The value of an answer as people write it, or None."""
    text = text.strip()
    match = NUMBER.fullmatch(text)
    if not match:
        return None
    value = Decimal(match[1].replace(",", ""))
    return -value if "-" in text or "\u2212" in text else value


def tagged(t):
    return xml_answer(t) if "<answer>" in t else ""


def integer_answer(t):
    value = number(tagged(t))
    return 0.5 if value is not None and value == value.to_integral_value() else 0.0


def numeric_answer(t, gold):
    wanted = number(gold)
    if wanted is None:
        return None
    found = number(tagged(t))
    return 2.0 if found is not None and found == wanted else 0.0


def scores(text, gold):
    completions = [[{"role": "assistant", "content": text}]]
    out = {f.__name__: f(prompts=[None], completions=completions, answer=[gold])[0] for f in TUTORIAL}
    a = xml_answer(text)
    out["xml_count_trailing"] = xml_count_trailing(text)
    out["soft_format_start"] = 0.5 if SOFT.match(text) else 0.0
    out["soft_format_dotall"] = 0.5 if SOFT.search(text) else 0.0
    out["strict_format_dotall"] = 0.5 if STRICT.match(text) else 0.0
    out["digits_or_untagged"] = 0.5 if a.isdigit() else 0.0
    out["exact_or_untagged"] = 2.0 if a == gold else 0.0
    out["integer_answer"] = integer_answer(text)
    out["numeric_answer"] = numeric_answer(text, gold)
    return out


# ---- texts ----------------------------------------------------------------------------------------------------------


def whole(reasoning, answer, tail="\n"):
    return f"<reasoning>\n{reasoning}\n</reasoning>\n<answer>\n{answer}\n</answer>{tail}"


ANSWERS = [
    "42", " 42 ", "\t42\r", "\u00a042\u00a0", "\u202842\u2029", "\u008542\u0085", "\u200b42", "\ufeff42", "\u180e42", "\x1c42\x1f",
    "\u300042\u3000", "-42", "+42", "−42", "42.", "42.0", "42.00", "042", "0", "-0", "0.0", "", " ", "\n\n", "4 2", "4\n2", "4\u00a02",
    "42%", "42 apples", "$42", "-$42", "$-42", "$$42", "--42", "+-42", "€42", "42€", "£1,080.50", "1,080", "1080", "1,08", "1,0800",
    ",080", "1,080,000", "10,80", "1,,080", "1,080,", "1.080", "1e3", ".5", "5.", "5..", "1.2.3", "0x10", "½", "²", "4²", "٤٢", "42",
    "𝟜𝟚", "①", "⑩", "Ⅳ", "四", "४२", "𑁦", "\U0001f101", "4\u0301", "e\u0301", "é", "NaN", "inf", "None", "\\d", "<b>42</b>", "<42>", "42</answer>43",
    "42\x00", "1" * 60, "00000.10", "0.10000", "1_000", "42\u20ac", "\u20b942", "$ 42", "- 42", "$", "-", ".", "+", "1,234.5,6",
]
FORMATS = [
    "", "\n", "plain text", "42", "<answer>", "</answer>", "<answer></answer>", "<answer>42", "42</answer>", "<answer>42</answer>",
    "<reasoning>a</reasoning><answer>42</answer>", "<reasoning>a</reasoning> \t\r\n<answer>42</answer>",
    "<reasoning>a</reasoning>\u00a0\u2028\u0085<answer>42</answer>", "<reasoning>a</reasoning>\x1c\x1d<answer>42</answer>",
    "<reasoning>a</reasoning>\u200b<answer>42</answer>", "<reasoning>a</reasoning>x<answer>42</answer>",
    "<reasoning>a\rb</reasoning><answer>42</answer>", "<reasoning>a\u0085b</reasoning><answer>4\u20282</answer>",
    "<reasoning>a\u2029b\x0bc\x0c</reasoning><answer>42</answer>", "<reasoning>a\nb</reasoning><answer>42</answer>",
    "<reasoning>a\r\nb</reasoning><answer>42</answer>", "<reasoning>a</reasoning><answer>4\n2</answer>",
    "x<reasoning>a</reasoning><answer>42</answer>y", "\n<reasoning>a</reasoning><answer>42</answer>",
    "<reasoning><reasoning>a</reasoning></reasoning><answer>42</answer>",
    "<reasoning>a\n<reasoning>b</reasoning><answer>42</answer>",
    "<reasoning>a</reasoning><answer>4\n</answer><reasoning>a</reasoning><answer>42</answer>",
    "<reasoning>a</reasoning>b</reasoning>\n\n<answer>42</answer>", "</reasoning><answer>42</answer><reasoning>",
    "<reasoning>a</reasoning><answer><answer>42</answer>", "<reasoning>a</reasoning>\n<answer>\n<answer>42</answer>",
    "<answer>1</answer><answer>42</answer>", "<answer>42</answer></answer>", "<answer>42<answer>43</answer>",
    "</answer><answer>42", "<ANSWER>42</ANSWER>", "<answer >42</answer>", "< answer>42</answer>", "<answer>42</ answer>",
    "<answer>\n42\n</answer>\n<answer>\n42\n</answer>\n", "<reasoning></reasoning><answer></answer>",
    "<reasoning>\n<reasoning>\n", "\n<answer>\n<answer>\n", "\n</answer>\n</answer>\n", "\n</reasoning>\n</reasoning>\n",
    "<<reasoning>>a<</reasoning>><<answer>>42<</answer>>", "<reasoning>a</reasoning><reasoning>b</reasoning>\n<answer>42</answer>",
    "<reasoning>a</reasoning>\n<answe<answer>42</answer>", "<answer>e\u0301</answer>", "<answer>\u00e9</answer>",
    "\r<answer>\u030142</answer>", "<answer>\u030142</answer>", "<reasoning>\u0301a</reasoning>\u0301<answer>42</answer>\u0301",
    whole("a", "42"), whole("a", "42", ""), whole("a", "42", "\n\n"), whole("a", "42", "\n\n\n"), whole("a", "42", "\r\n"),
    whole("a", "42", "\nx"), whole("a", "42", " \n"), whole("a", "42", "\n\r"), whole("a", "42", "\u2028"), whole("", ""), whole("\n", "\n"),
    whole("a\nb", "42"), whole("a", "4\n2"), whole("a\rb", "42"), whole("a\u2028b\u0085c", "4\u20292"), whole("a\r\nb", "42"),
    "\n" + whole("a", "42"), " " + whole("a", "42"), "\ufeff" + whole("a", "42"), whole("a", "42") + whole("b", "43"),
    whole("a\n</reasoning>\n<answer>\n1", "42"), whole("a", "1\n</answer>\n<answer>\n42"), whole("a", "42").replace("\n", "\r\n"),
    whole("a", "42").replace("\n", "\r"), whole("a", "42").replace("\n", ""), whole("a", "42").replace("\n", "\u2028"),
    "<reasoning>\n</reasoning>\n<answer>\n42\n</answer>\n", "<reasoning>\na\n</reasoning>\n<answer>\n</answer>\n",
    "<reasoning>\n\n</reasoning>\n<answer>\n\n</answer>\n", "<reasoning>\na\n</reasoning>\n\n<answer>\n42\n</answer>\n",
    "<reasoning>\na\n</reasoning> \n<answer>\n42\n</answer>\n", "<reasoning>\na\n</reasoning>\n<answer>\n\n</answer>\n</answer>\n",
    "<reasoning>\na\n</reasoning>\n<answer>\n</answer>\n\n", "<reasoning>\na\n</reasoning>\n<answer>\n</answer>\n</answer>\n\n",
    "<reasoning>\n</reasoning>\n<answer>\n1\n2\n</answer>\n", "<reasoning>\na\nb\n</reasoning>\n<answer>\n</answer>\n",
    "<reasoning>\n\n</reasoning>\n<answer>\n</answer>\n</answer>\n\n", whole("a", "42", "\nüñ😀👨‍👩‍👧"), whole("👨‍👩‍👧", "42", "\ne\u0301"),
]
PIECES = [
    "<reasoning>", "</reasoning>", "<answer>", "</answer>", "<reasoning>\n", "\n</reasoning>\n", "<answer>\n", "\n</answer>\n", "\n", "\n",
    "\r", " ", "\u2028", "\u0085", "\u00a0", "42", "a", "<", "\u0301",
]


def random_texts(count):
    rng = random.Random(7)
    for _ in range(count):
        draw = rng.random()
        if draw < 0.4:
            yield "".join(rng.choices(PIECES, k=rng.randint(1, 12)))
        else:
            # A well-formed completion with one or two pieces put in, left out or exchanged.
            parts = ["<reasoning>", "\n", "a", "\n", "</reasoning>", "\n", "<answer>", "\n", "42", "\n", "</answer>", "\n"]
            if draw < 0.7:
                parts = ["x", "<reasoning>", "a", "</reasoning>", "\n", " ", "<answer>", "42", "</answer>"]
            for _ in range(rng.randint(1, 2)):
                at = rng.randrange(len(parts))
                parts[at:at + rng.randint(0, 1)] = rng.choices(PIECES, k=rng.randint(0, 1))
            yield "".join(parts)


def cases():
    golds = ["42", "1,080", "0", "-42", "four", "", "1080.5", "é"]
    for answer in ANSWERS:
        for gold in {"42", golds[len(answer) % len(golds)]}:
            yield whole("x", answer), gold
    for answer, gold in [
        ("1080", "1,080"), ("1,080.0", "1,080"), ("$1,080.", "1080"), ("-42", "-42"), ("−42", "-42"), ("-0", "0"), ("42", "forty"),
        ("42", "42\n"), ("é", "e\u0301"), ("e\u0301", "e\u0301"), ("four", "four"), ("", ""), (" ", ""), ("0.5", ".5"), ("007", "7"),
    ]:
        yield whole("x", answer), gold
    for text in FORMATS:
        yield text, "42"
    for text in dict.fromkeys(random_texts(320)):
        yield text, "42"


seen = dict.fromkeys(sorted(set(cases())))
names = list(scores("", ""))
rows = [{"text": t, "answer": g, "scores": list(scores(t, g).values())} for t, g in seen]
print(json.dumps({"names": names, "cases": rows}, indent=None, separators=(",", ":")).replace('{"text"', '\n{"text"'))
