"""Makes python_re_golden.json: what Python's re decides for patterns, flags and texts.

    python3 python_re_golden.py > python_re_golden.json        (standard library only; made with Python 3.11)

A case is [pattern, flags, text, verdict]. The flags are letters as in (?ims); the verdict has "s", "m" and "f" for what
re.search, re.match and re.fullmatch find, or is "error" where the pattern is none.
"""
import json
import random
import re
import warnings
from itertools import islice

warnings.simplefilter("ignore")
FLAGS = {"i": re.I, "m": re.M, "s": re.S, "x": re.X, "a": re.A}


def verdict(pattern, flags, text):
    try:
        compiled = re.compile(pattern, sum(FLAGS[letter] for letter in flags))
    except (re.error, OverflowError, ValueError, RecursionError):
        return "error"
    found = [compiled.search(text), compiled.match(text), compiled.fullmatch(text)]
    return "".join(letter for letter, match in zip("smf", found) if match)


# Handwritten: patterns, flags to try each with ("" for none), and texts to try each on.
SPOTS = [
    # What ends a line, and what is white space.
    (["a.b", "a.+b", "[^x]", "a[^b]b"],
     ["", "s"], ["a\nb", "a\rb", "a\vb", "a\fb", "a\x1cb", "a\x85b", "a\u2028b", "a\r\nb", "ab", "a\U0001f600b"]),
    (["^b", "a$", "^b$", r"\Ab", r"a\Z", "$", "^$", "(?m:^)b(?-m:$)"],
     ["", "m"], ["b", "a\nb", "a\n", "a\n\n", "a\r\nb", "a\u2028b", "\n", ""]),
    ([r"a\sb", r"a\Sb", r"[^\S\n]", "(?a:\\s)"],
     ["", "a"], ["a\vb", "a\x1cb", "a\x85b", "a\xa0b", "a\u2028b", "a\u3000b", "a\u200bb", "a\u180eb", "a\nb", "axb"]),
    # Digits, letters and words.
    ([r"^\d+$", r"^[\d.]+$", r"\D", r"(?a:\d)|x\d"],
     ["", "a"], ["12", "1\u0663", "\u0663\u0664", "\xb2", "\u2460", "\u4e00", "\U0001d7ce", "1.5"]),
    ([r"^\w+$", r"\W", r"\bb", r"a\B"],
     ["", "a"], ["ab", "a b", "a_b", "\xe9b", "e\u0301b", "\u4e2d\u6587", "a\u200db", "\u216b", "\xb2b", "a\u0300", "",
      "\xaa"]),
    # Case.
    (["s", "\u017f", "k", "\u212a", "\xb5", "\u03bc", "\u03c2", "\u03a3", "\xdf", "\u1e9e", "i", "\u0131", "\u0130",
      "\ufb05", "[r-t]", "[^s]", "[\u03c3x]", "[a-\uffff]", r"[\u0130x]", r"[\U00010400x]", "\U00010400",
      r"[\U00010400-\U00010410]", r"[\u0400-\U00010410]", "(?-i:s)", r"[^\W\d]"],
     ["i", "ia"], ["s", "S", "\u017f", "K", "\u212a", "\u039c", "\xb5", "\u03c3", "\u03c2", "\xdf", "\u1e9e", "I",
      "\u0131", "\u0130", "\ufb06", "\U00010428", "\U00010400", "_"]),
    ([r"(.)\1", r"(?P<x>s+)-(?P=x)", r"((?i:s))\1", r"(?i:(s)\1)", r"(s)(?-i:\1)"],
     ["", "i", "ia"], ["sS", "ss", "s-S", "\u017fS", "kK", "\u03c2\u03c3", "\xe9\xc9"]),
    # Alternatives and order.
    (["a|ab", "(?:a|ab)c", "|a", "a||b", "(|a)+b", "(a|)+?b", "(?:)", "()", "(?:|a)*", "(a|b|)*c", "x*|y", "(?=a|b)b"],
     [""], ["ab", "abc", "", "a", "b", "aab", "c", "y"]),
    (["a+?b", "a{2,3}?a", "(a+)+$", "(?:a*)*b", "(a*)*", "(a*?)*?b", "(?:a?)*?b", "(a?b?)*c", "(?:a|b)*?c", "a{0}b",
      "(ab){2}", "(ab){2,}?c", "(a){0,2}a$", "a{,2}b", "a{2,}b", "(?:a{2}){2}", "(a|b){3}c", "(?:(?:a)*)*c",
      "(?:a+?)+?b"],
     [""], ["ab", "aab", "aaab", "aaaa", "abab", "ababc", "abac", "c", "b", "aaa"]),
    (["a*+a", "a++b", "(?:ab|a)*+b", "(?:a|ab)++c", "a?+a", "a{1,2}+a", "(a*)*+b", "(?:a?)*+b", "(?>a*)a", "(?>a|ab)c",
      "(?>a+?)b", "(?>(a+))b\\1", "(?:(a)|b\\1)*+c", "(?>(a)|b)+\\1", "(?:a{2}){1,2}+b", "(?:){2}+a"],
     [""], ["a", "aa", "ab", "abc", "aab", "aaba", "abac", "bc", "ababc", "aaaab"]),
    # Looking around.
    (["(?<=a)b", "(?<!a)b", "(?<=^a)b", "(?<=a|b)c", "(?<=ab|cd)e", r"(?<=\b)b", "(?<!^)b", "(?<=(a))b\\1",
      "(?<=a{2})b", "(?<=(?:ab){2})c", "(?=(a+))a*b\\1", "(?=a)*b", "(?!a)b", "(?!(a))b", "(?:(?!b).)*b", "(?=.*b)a",
      "(?<=(?=a).)b", "(?<=(?<=a)b)c", "(?<=$)", "(?<!.)a", "(?=(a))(?!\\1)b|c"],
     [""], ["ab", "b", "aab", "cde", "ababc", "bba", "abc", "a\nb", "acb", "cd", "abe"]),
    # Groups.
    ([r"(a)\1", r"(a)?\1b", r"(?:(a)|b)\1", r"(?:(a)|b)*\1", r"(a*)b\1", r"(a)(b)(c)\3\2\1", r"(?P<n>a)(?P=n)",
      r"((a)|b)+\2", r"(?:(a)|(b))*\1\2", r"(a|(b))+\2c", "(?P<\u00e9>a)(?P=\u00e9)",
      r"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\10"],
     [""], ["aa", "ab", "ba", "b", "abaa", "aabaa", "abccba", "bab", "abab", "abc", "abcdefghijj"]),
    (["(a)?(?(1)b|c)", "(?P<q>\")?x(?(q)\")", "(a)?(?(1)b)", "(?(1)a|b)(c)", "(?:(a)|b)*(?(1)c|d)",
      "(a)?(?(1)(b)|(c))\\3", "(?(1)a)(b)?", "^(<)?a(?(1)>)$", "(?(1)|b)(a)"],
     [""], ["ab", "c", "\"x\"", "x", "\"x", "bc", "ac", "abc", "bd", "cc", "<a>", "<a", "a>", "a"]),
    # Flags within.
    (["(?i)ab", "(?i:a)b", "a(?i:b)c", "(?i:a(?-i:b))", "(?s:.)b.", "(?s-i:a.)", "(?ms)^b.", "(?x) a b # c",
      "(?x:a b)c d", "a(?x: b\n#)\n)c", "(?-x:a b)", "(?a:\\w)\\w", "(?u:\\w)", "(?im)(?s)^A.b", "(?i)a|B"],
     ["", "x", "i"], ["ab", "AB", "aBc", "Ab", "a\nb", "x\nb\n", "abc d", "a b", "\xe9\xe9", "abc"]),
    (["a b", "a\\ b", "a[ ]b", "a#c\nb", "a #\\\nb\nc", "a * b", "a\t{2}", "(?# x)a", "a(?#)*b", "( ?:a)", "a# b",
      "a\u00a0b", "a {1}", "\\#", "a{1, 2}"],
     ["", "x"], ["ab", "a b", "a#c\nb", "aab", "a\u00a0b", "aa", "a {1}", "#", "a", "a{1, 2}"]),
    # Braces and escapes that stand for themselves.
    (["a{", "a{}", "a{,}", "a{1", "a{1,", "a{x}", "{a", "a{1}{", "x{,3}y", "{", "}", "a}", "]", "a]", "[]a]", "[^]a]",
      "[a-]", "[-a]", "[a\\-z]", "[\\]]", r"\{", r"\-", "\\\u00e9", "[$^.|]", "[[:a]", "[a--]", r"[\d-]", r"[\w.-]+",
      r"\/"],
     [""], ["a{", "a{}", "a{1,", "aaa", "{a", "xxy", "]", "-", "}", "z", "^", "\u00e9", "a{x}", "/"]),
    ([r"\n\t\r\f\v\a", r"[\b]", r"\0", r"\08", r"\x41", r"\u0041", r"\U0001F600", r"\101", r"\1011", r"[\101]", r"\377",
      r"[\0-\x1f]", r"\ud800", r"[\ud800-\udfff]"],
     [""], ["\n\t\r\f\v\a", "\b", "\0", "\x008", "A", "\U0001f600", "A1", "\xff"]),
    # Errors.
    (["*", "+a", "?", "{1}", "{1,2}", "{,}", "a**", "a*?*", "a+++", "a{1}{2}", "a{2}*", "^*", "$+", r"\b?", r"\A{2}",
      "(*)", "(?:*)", "|*", "(|*)", "(?i)*", "(?#a)*", "a{3,2}", "a{4294967295}", "a{99999999999999999999}", "(", "(a",
      "(?:a", ")", "a)", "(a))", "[", "[a", "[]", "[^]", "[z-a]", r"[\d-a]", r"[a-\d]", r"[a-\x40]", "(?", "(?P",
      "(?P<", "(?P<a", "(?P<>a)", "(?P<1>a)", "(?P<a b>a)", "(?P<a>a)(?P<a>b)", "(?P=a)", "(?P<a>(?P=a))", "(?P>a)",
      "(?<a>b)", "(?<", "(?=", "(?z)", "(?i", "(?i-", "(?-i)", "(?i-i:a)", "(?L)a", "(?au)a", "(?-a:a)", "(?i-:a)",
      "a(?i)", "(a(?i))", "a|(?i)b", "(?i)(?m)a", "(?a)(?u)b", "(?u)a", r"\1", r"(a\1)", r"(a)\2", r"(?:\1)(a)",
      "(?(1)a)", "(?(0)a)(b)", "(?(x)a)", "(?(1)a|b|c)(d)", "(?(1", "(?()a)", "(?(-1)a)", "(?(a)b)(?P<a>c)", "\\",
      "a\\", "[\\", r"\e", r"\q", r"[\e]", r"[\B]", r"[\A]", r"\x4", r"\u004", r"\U0001F60", r"\U00110000", r"\400",
      r"[\400]", r"[\8]", r"\z", r"\p{L}", r"\G", "(?<=a*)b", "(?<=a|bc)d", "(?<!a+)b", "(?<=a?)", r"(?<=(a)\1)b",
      r"(a+)(?<=\1)", r"(ab)(?<=\1)", "(?<=(?(1)a|b))(c)", r"(?<=(?P<q>a)(?P=q))", "(?<=(?:a{4294967294}){2})b", "(?#a",
      "(?#a\\)", "(?#\\)a)", "(?>a", "(?(1)a", "a(?<=b", "(?=a)**", "()*", "(?:)*", "(?:a)*?+", "(?:^)*a", "(?=a)+b",
      "(?:a*)*", "(?:a{2}){3}", "(?P<\u0660>a)", "(?P<\u4e2d>a)"],
     ["", "x"], ["a"]),
    (["(?u)a", "(?a)a", r"(?u:\w)", r"(?a:\w)"],
     ["a"], ["a", "\xe9"]),
    # What rewards look for.
    ([r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>",
      r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$", r"<answer>\s*(-?[\d,.]+)\s*</answer>\s*$",
      r"\\boxed\{(?:[^{}]|\{[^{}]*\})*\}", r"####\s*(-?\d+(?:,\d{3})*(?:\.\d+)?)\s*\Z"],
     ["", "s"], ["<reasoning>1</reasoning> <answer>2</answer>",
      "<reasoning>\n1\n</reasoning>\n<answer>\n2\n</answer>\n",
      "<reasoning>\n1\n2\n</reasoning>\n<answer>\n2\n</answer>\n\n",
      "<reasoning>\r\n1\r\n</reasoning>\r\n<answer>\r\n2\r\n</answer>\r\n", "so \\boxed{\\frac{1}{2}}.",
      "#### 1,080.5\n", "<answer> 1,080\u2028</answer>"]),
]


def handwritten():
    for patterns, flags, texts in SPOTS:
        for pattern in patterns:
            for letters in flags:
                for text in texts:
                    yield pattern, letters, text


class Grammar:
    """Random patterns over a small alphabet, most of them valid, and texts that some of them match."""

    LETTERS = ["a", "b", "a", "b", "B", "\n", "\r", "\u2028", "1", " ", "s", "\u017f"]
    ATOMS = [".", ".", r"\w", r"\W", r"\s", r"\S", r"\d", "[ab]", "[^a]", r"[^\n]", r"[\sb]", "[a-s]", r"[^\Wb]",
             r"\n", "[B1]"]
    GROUPS = ["("] * 4 + ["(?:"] * 2 + ["(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?s-i:", "(?m:", "(?("]
    PLACES = ["^", "$", r"\b", r"\B", r"\A", r"\Z"]
    QUANTIFIERS = ["*", "+", "?", "{2}", "{1,2}", "{,1}", "{2,}", "{0}", "{0,3}"]
    ODD = [")", "(", "[", "*", "{", "(?i)", r"\2", r"\9", "|", "]", "a{2,1}", "(?P<g>a)", "(?#x)", "(?(1)", "\\x4", "+"]

    def __init__(self, random):
        self.random = random

    def pattern(self):
        self.groups = 0
        self.closed = []
        text = self.alternatives(self.random.choice([1, 2, 2, 3, 3]))
        if self.random.random() < 0.05:
            text = f"(?{self.random.choice('imsxa')}){text}"
        if self.random.random() < 0.06:
            at = self.random.randrange(len(text) + 1)
            text = text[:at] + self.random.choice(self.ODD) + text[at:]
        return text

    def alternatives(self, depth):
        return "|".join(self.sequence(depth) for _ in range(self.random.choice([1, 1, 1, 2, 2, 3])))

    def sequence(self, depth):
        return "".join(self.item(depth) for _ in range(self.random.choice([0, 1, 1, 2, 2, 3])))

    def item(self, depth):
        if self.random.random() < 0.1:
            return self.random.choice(self.PLACES)
        atom = self.group(depth - 1) if depth and self.random.random() < 0.55 else self.atom()
        if self.random.random() < 0.45:
            atom += self.random.choice(self.QUANTIFIERS) + self.random.choice(["", "", "?", "+"])
        return atom

    def atom(self):
        if self.closed and self.random.random() < 0.25:
            return rf"\{self.random.choice(self.closed)}"
        return self.random.choice(self.LETTERS if self.random.random() < 0.65 else self.ATOMS)

    def group(self, depth):
        kind = self.random.choice(self.GROUPS)
        if kind == "(":
            self.groups += 1
            number = self.groups
            text = f"({self.alternatives(depth)})"
            if number < 10:
                self.closed.append(number)
            return text
        if kind == "(?(":
            if not self.groups:
                return self.atom()
            way = self.sequence(depth)
            other = self.random.choice(["", "|" + self.sequence(depth)])
            return f"(?({self.random.randint(1, self.groups)}){way}{other})"
        if kind in ("(?<=", "(?<!"):
            return kind + "".join(self.atom() for _ in range(self.random.choice([0, 1, 1, 2]))) + ")"
        return kind + self.alternatives(depth) + ")"

    def flags(self):
        return "".join(letter for letter in "imsxa" if self.random.random() < 0.12)

    def text(self):
        return "".join(self.random.choice(self.LETTERS) for _ in range(self.random.choice([0, 1, 2, 3, 4, 5, 6, 8])))


def generated(seed):
    grammar = Grammar(random.Random(seed))
    while True:
        pattern, flags = grammar.pattern(), grammar.flags()
        for _ in range(3):
            yield pattern, flags, grammar.text()


if __name__ == "__main__":
    cases = list(dict.fromkeys(handwritten()))
    # Chosen so that no pattern takes Python long, nor makes it report a mistake of its own.
    cases += dict.fromkeys(islice(generated(seed=1), 0, 3 * 2000, 3))
    rows = [json.dumps([*case, verdict(*case)]) for case in cases]
    print("[\n" + ",\n".join(rows) + "\n]")
