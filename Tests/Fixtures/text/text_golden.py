"""Goldens for ApusText: encodings by `tokenizers` and chat templates rendered by Jinja2 as `transformers` sets it up.

Run in this folder:  pip install transformers tokenizers jinja2 && python text_golden.py
Writes the small tokenizers (only where they are missing: training is not reproducible across versions),
encodings.json and templates.json.
"""

import datetime
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 12345 o'clock, and they'll see that we've done it; I'm sure you'd agree.",
    "def solve(x):\n    return x + 1\n\n\nfor i in range(100):\n    print(solve(i))\n",
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. #### 72\n",
    "<reasoning>\nfirst, 3 * 4 = 12\n</reasoning>\n<answer>\n12\n</answer>\n",
    "Größe, naïve café, Ångström, señor, œuvre. Привет, как дела? 你好,世界。こんにちは 안녕하세요 مرحبا",
    "IT'S WE'LL THEY'RE don't  can't   won't\t\ttabs\r\nwindows lines\r\n\r\n",
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪 emoji 🎉🎉 $5.00 €10 100% a_b_c --- === !!! ... ((())) [[]]",
] * 3


def train(name, pre_tokenizer, normalizer=None, specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>"), vocab=560):
    path = os.path.join(HERE, name, "tokenizer.json")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
        tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.decoder = decoders.ByteLevel()
        if normalizer:
            tokenizer.normalizer = normalizer
        trainer = trainers.BpeTrainer(
            vocab_size=vocab, special_tokens=list(specials), show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        tokenizer.train_from_iterator(CORPUS, trainer)
        if name == "llama3":
            tokenizer.post_processor = processors.Sequence([
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(
                    single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                    special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))],
                ),
            ])
        if name == "qwen2":
            tokenizer.add_tokens([
                AddedToken("<tool_call>", special=False, normalized=False),
                AddedToken("<tool_call>x", special=False, normalized=False),
                AddedToken("café au lait", special=False, normalized=True),
            ])
        if name == "gpt2":
            tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
        tokenizer.save(path, pretty=False)
    return Tokenizer.from_file(path)


def byte_level(regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)])


STRINGS = [
    "", " ", "  ", "\n", "\r\n", "\t", "a", " a", "  a", "a ", "a  ", "a  b", "a \n b", "a\n\n\nb", "a\r\nb\r\n", "\r\r\n\n",
    " \n \n x", "x \t \n", "\n  indented", "\n\n    deeper\n        still", "0", "12", "123", "1234", "1234567", "a1b22c333d4444",
    " 12 345", "3.14159", "1,000,000", "½ ² ③ Ⅷ ٣٤٥ 一二三", "²³¹", "$48.00 = 24 + 24", "it's", "IT'S", "It'S we'Ll they'RE I'M you'D",
    "'s", "'t're've'm'll'd", "it'ſ 'ſome", "'Sam 'Tom 'REd 'lL", "rock 'n' roll", "don''t", "''''", "'", "' s", "x'",
    "The quick brown fox jumps over the lazy dog.", "def f(x):\n    return x**2  # square\n", "<answer>\n42\n</answer>",
    "hello   world", "tabs\t\tand\tspaces  \t mixed", "trailing spaces   ", "   leading", "你好,世界。", "こんにちは 世界", "안녕하세요 세계",
    "Привет, мир!", "مرحبا بالعالم", "שלום", "हिन्दी भाषा", "ไทย", "naïve café Ångström", "cafe\u0301 A\u030angstro\u0308m \u212b",
    "\u1100\u1161\u11a8 \uac01", "e\u0301\u0323", "👍🏽", "👨‍👩‍👧‍👦 family", "🇩🇪🎉🎉", "a👍b", "\u00a0nbsp\u00a0\u00a0x", "\u2003em\u2003space", "\u200bzero\u200bwidth",
    "\u0085next\u0085\u2028line\u2029", "\x00\x01\x1f\x7f", "\ufeffbom", "\ufffd", "\U00020000\U0002A6DF 𠀀x", "\U000E0041\U0010FFFF", "ǅ ʰ ª º",
    "<|im_start|>user\nhi<|im_end|>\n", "a<|im_end|>b <|im_end|> c", "<|im_end", "<|im_end|><|im_end|>", "<|user|>x<|assistant|>y<|end|>", "<|endoftext|>",
    "<|begin_of_text|>x<|eot_id|>", "<tool_call>x<tool_call> y", "one <mask> two  <mask>", "café au lait cafe\u0301 au lait",
    "!!!???...", "a!b?c", " !x", "  !x", "!\n\n\n", "!\r\n\r\n x", "((()))[[]]{{}}", "https://example.com/a_b-c?d=1&e=2#f", "snake_case camelCase",
    "ſ", "ß", "İstanbul", "ﬁ ligature", "x" * 90, " " * 70, "ab" * 50, "1" * 20, "\n" * 20, "=" * 70, "the " * 20,
]


def encodings():
    gpt2 = byte_level(True)
    smollm = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)])
    tokenizers = {
        "base96-slips": Tokenizer.from_file(os.path.join(HERE, "..", "base96-slips", "tokenizer.json")),
        "text/gpt2": train("gpt2", gpt2),
        "text/smollm": train("smollm", smollm),
        "text/qwen2": train("qwen2", split(GPT4 % r"\p{N}"), normalizers.NFC()),
        "text/llama3": train("llama3", split(GPT4 % r"\p{N}{1,3}"), specials=("<|begin_of_text|>", "<|eot_id|>")),
    }
    rng = random.Random(5)
    alphabet = list("abcxyz  \t\n\r'sStTdD019²½.,!?<|>éüſ你好🎉\u0301\u00a0_") + ["'ll", "<|im_end|>", "  ", "\r\n"]
    fuzz = ["".join(rng.choices(alphabet, k=rng.randint(1, 40))) for _ in range(20)]
    out = {}
    for name, tokenizer in tokenizers.items():
        size = tokenizer.get_vocab_size()
        sequences = [[rng.randrange(size + 3) for _ in range(rng.randint(1, 30))] for _ in range(8)]
        # Bytes above 0x7F at random: decoding has to replace what is no UTF-8.
        high = [tokenizer.token_to_id(c) for c in "ÂÃÄàáâíîïðñòóôõĢģĤŃ¼½¾¿"]
        sequences += [rng.choices([i for i in high if i is not None], k=rng.randint(1, 12)) for _ in range(20)]
        out[name] = {
            "vocab_size": size,
            "encode": [tokenizer.encode(s, add_special_tokens=False).ids for s in STRINGS + fuzz],
            "encode_special": [tokenizer.encode(s).ids for s in STRINGS[:8]],
            "decode": [
                [ids, tokenizer.decode(ids, skip_special_tokens=False), tokenizer.decode(ids)] for ids in sequences
            ],
        }
    return {"strings": STRINGS + fuzz, "tokenizers": out}


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Wie ist das Wetter in \"Köln\"? <b>&'</b>",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7.5}}, "required": ["city"]}}}
USER = {"role": "user", "content": "  What is 12 + 30?\r\n"}
SYSTEM = {"role": "system", "content": " Be brief. "}
REPLY = {"role": "assistant", "content": "42 👍"}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "when": "now"}}}]}
RESULT = {"role": "tool", "content": "{\"sun\": true}"}
CHATS = [
    {"messages": [USER]}, {"messages": [SYSTEM, USER]}, {"messages": [SYSTEM, USER, REPLY, USER]},
    {"messages": [SYSTEM, USER, REPLY], "add_generation_prompt": False},
    {"messages": [SYSTEM, USER], "tools": [WEATHER, WEATHER]}, {"messages": [USER, CALL, RESULT, RESULT, REPLY, USER], "tools": [WEATHER]},
    {"messages": []}, {"messages": [SYSTEM]}, {"messages": [SYSTEM], "tools": [WEATHER]},
    {"messages": [USER, CALL, RESULT], "builtin_tools": ["get_weather", "code_interpreter"], "tools_in_user_message": False, "tools": [WEATHER]},
]

DATA = {
    "messages": [SYSTEM, USER, REPLY], "a": "Ab c", "n": 7, "f": 2.5, "e": [], "l": [3, 1, 2, 3], "d": {"x": 1, "y": [True, None], "items": "no"},
    "s": "  one,two,,three\r\n ", "u": "Größe 👍e\u0301", "t": True, "z": None, "tools": [WEATHER],
    "o": [{"k": 1, "v": {"w": "p"}}, {"k": 2}, {"k": 2, "v": {"w": "q"}}], "lines": "a\n\nb\r\nc", "big": 1e16, "tiny": 1e-7, "neg": -7,
}
SNIPPETS = [
    # white space
    "a\n{% if true %}\n  b\n{% endif %}\nc\n", "a\n  {% if true %}  \n  b  {% endif %}\nc\n\n", "  {%- if true -%}  x  {%- endif -%}  y", "{{ 1 }}\n{{ 2 }}\n",
    "a {# note #}\nb", "a\n  {# note #}\n  b", "a {#- note -#}  \n b", "x\n  {%+ if true %}y{% endif %}", "{% if true +%}\nx{% endif %}", "{{- 'a' -}}   b", "a  {{+1}}",
    "\n\n  {% set q = 1 %}\n  {{ q }}\n", "a\r\nb{% if true %}\r\nc{% endif %}\r\n", "{% if true %}\n{% if true %}\n\n x{% endif %}\n{% endif %}", "x {% if true %} y {% endif %} z",
    "  {{ 1 }}  {% set p = 2 %}  \n   {% set p = 3 %}", "{%- set w -%}  a  {%- endset -%}{{ w }}", "line {% if 1 %}\n\t\u00a0\n{%- endif %}",
    # literals and printing
    "{{ 1 }} {{ 1.0 }} {{ 1e3 }} {{ 2.50 }} {{ true }} {{ none }} {{ 'a' }} {{ [1, 'a', None, 2.0] }} {{ {'a': [1], 'b': \"it's\"} }}", "{{ big }} {{ tiny }} {{ neg }} {{ f }}",
    "{{ 'a\\n\\t\\\\ \\' \\x41 \\u00e9 \\q' }}", "{{ \"a'b\" ~ 'c\"d' }}", "{{ 'a' 'b' }}", "{{ ['a\\nb', 'it\\'s', \"q\\\"'\"] }}", "{{ () }}|{{ [] }}|{{ {} }}", "{{ {'a': {'b': 1}} }}",
    # operators
    "{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ 7.5 % 2 }} {{ -f }}", "{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'x' }} {{ [1] + [2] }}",
    "{{ 1 ~ 'a' ~ none ~ true ~ 2.0 ~ missing }}", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' != 'b' }} {{ [1, 2] == [1, 2] }} {{ 3 >= 3 }}",
    "{{ 'a' in 'cat' }} {{ 'x' not in 'cat' }} {{ 2 in l }} {{ 'x' in d }} {{ 1 in missing }} {{ '' in 'a' }} {{ '\\n' in 'a\\r\\nb' }}", "{{ not true }} {{ not e }} {{ e or 'empty' }} {{ a and n }} {{ z or t and 0 }}",
    "{{ 'yes' if n > 3 else 'no' }} {{ 'yes' if n > 30 }} {{ 1 if 0 else 2 if 0 else 3 }}", "{{ true + 1 }} {{ -true }}", "{{ n is defined and n > 3 }} {{ not n is defined }} {{ n is not defined }}",
    "{{ 1 + 1 ~ 2 }}", "{{ 2 ~ 1 * 3 }}", "{{ -7 | abs }} {{ 'a' ~ 'b' | upper }} {{ ('a' ~ 'b') | upper }}", "{{ 'e\u0301' == '\u00e9' }}",
    # access
    "{{ d.x }} {{ d['x'] }} {{ d.y[0] }} {{ d.y[-1] }} {{ d.missing }} {{ l[10] }}| {{ d['items'] }}", "{{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages[1:] | length }}", "{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[5:] }} {{ l[-2:] }} {{ l[:] }} {{ l[3:0:-2] }}",
    "{{ u[0] }} {{ u[-1] }} {{ u[1:3] }} {{ u[::-1] }} {{ u | length }}", "{{ d.get('x') }} {{ d.get('q') }} {{ d.get('q', 5) }} {{ d.keys() | list }} {{ d.values() | list }}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{{ l.0 }} {{ o[0].v.w }}",
    "{{ messages[0]['tool_calls'] is defined }} {{ messages[0].tool_calls }}|", "{{ z.x }}|{{ n.x }}|",
    # string methods
    "[{{ s.strip() }}] [{{ s.lstrip() }}] [{{ s.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abc'.strip('ac') }}]", "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ lines.split('\\n') }} {{ lines.splitlines() }}",
    "{{ a.upper() }} {{ a.lower() }} {{ a.title() }} {{ a.capitalize() }} {{ u.upper() }}", "{{ a.startswith('Ab') }} {{ a.endswith('c') }} {{ a.startswith(('x', 'A')) }} {{ a.replace('b', 'XX') }} {{ 'aaa'.replace('a', 'b', 2) }}", "{{ 'abcabc'.find('ca') }} {{ 'abc'.find('x') }} {{ 'banana'.count('an') }} {{ '-'.join(['a', 'b']) }}",
    "{{ 'think</think>rest'.split('</think>')[-1].lstrip('\\n') }}", "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.y'.removesuffix('.y') }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }}",
    # filters
    "{{ tools | tojson }}", "{{ tools[0] | tojson(indent=2) }}", "{{ d | tojson }} {{ u | tojson }} {{ 'a\"\\\\\\n\\x01<' | tojson }} {{ f | tojson }} {{ z | tojson }} {{ [] | tojson(indent=2) }} {{ {} | tojson }}", "{{ u | tojson(ensure_ascii=true) }} {{ d | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1e16, 1e-7, 1.0, 123456.789] | tojson }}",
    "[{{ s | trim }}] [{{ '' | default('x') }}] [{{ missing | default('x') }}] [{{ '' | default('x', true) }}] [{{ missing | d }}] [{{ none | default('x') }}]", "{{ l | join }} {{ l | join(', ') }} {{ o | join(',', attribute='k') }} {{ l | first }} {{ l | last }} {{ e | first }}|{{ l | length }} {{ d | count }} {{ 'ab' | list }} {{ missing | length }}",
    "{{ a | upper }} {{ a | lower }} {{ a | capitalize }} {{ a | replace('b', 'c') }} {{ a | title }}", "{{ o | map(attribute='v.w') | list }}", "{{ l | map('string') | list }} {{ o | map(attribute='k') | list }} {{ o | map(attribute='q') | map('default', '-') | list }} {{ o | map(attribute='v', default='?') | list }}", "{{ l | select('gt', 1) | list }} {{ l | reject('equalto', 3) | list }} {{ [0, 1, ''] | select | list }} {{ l | select('odd') | list }}",
    "{{ o | selectattr('k', 'equalto', 2) | list | length }} {{ o | selectattr('v') | list | length }} {{ o | selectattr('v', 'defined') | map(attribute='v.w') | join('+') }} {{ o | rejectattr('k', '==', 2) | list | length }}", "{{ '42' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 4.7 | int }} {{ '1.5' | float }} {{ n | string + 'x' }} {{ -3 | abs }} {{ [1, 2, 3] | reverse | list }} {{ 'abc' | reverse }} {{ l | unique | list }}", "{{ lines | indent }}|{{ lines | indent(2, true) }}", "{% for k, v in d | items %}{{ k }}{{ v }}{% endfor %}",
    # tests
    "{{ n is number }} {{ a is string }} {{ l is sequence }} {{ d is mapping }} {{ z is none }} {{ t is boolean }} {{ f is float }} {{ n is integer }} {{ l is iterable }} {{ n is iterable }} {{ t is true }} {{ t is false }} {{ a is mapping }}", "{{ 3 is odd }} {{ 3 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 2 is in l }} {{ missing is undefined }} {{ missing is none }} {{ t is number }} {{ t is integer }}",
    # statements
    "{% for x in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}/{{ loop.previtem }}/{{ loop.nextitem }};{% endfor %}", "{% for x in e %}x{% else %}none{% endfor %} {% for x in missing %}x{% else %}none{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}", "{% for x in l %}{% for y in [1, 2] %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in l %}{% if x == 2 %}{% break %}{% endif %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "{% set ns = namespace(x=0, f=false) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns.f }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}", "{% set x %}a{{ n }}{% endset %}[{{ x }}] {% set y | upper | trim %} q {% endset %}[{{ y }}]",
    "{% if n > 10 %}a{% elif n > 5 %}b{% else %}c{% endif %}", "{% if true %}{% set v = 1 %}{% endif %}{{ v }}", "{% macro m(x, y='d') %}<{{ x }}|{{ y }}>{% endmacro %}{{ m(1) }}{{ m('a', y=2) }}{{ m() }}", "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% for c in 'héy' %}{{ c }}.{% endfor %}{% for k in d %}{{ k }},{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{{ range(2, 4) | list }}",
    "{% generation %}x{{ n }}{% endgeneration %}y", "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{{ dict(x=1, y='z') }}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}", "{% for m in messages %}{{ m.role }}: {{ m['content'] | trim }}\n{% endfor %}", "{% set loop_messages = messages[1:] if messages[0].role == 'system' else messages %}{{ loop_messages | length }}",
    # errors
    "{{ missing.x }}", "{{ missing['x'] }}", "{{ 'a' + 1 }}", "{{ raise_exception('no\\nway') }}", "{{ missing() }}", "{% if %}", "{{ 1", "{% for x in l %}", "{% endif %}", "{{ 'a }}", "{{ a | nofilter }}", "{{ a is notest }}", "{{ 1 / 0 }}", "{% set n.x = 1 %}", "{{ a.nomethod() }}", "{{ missing + 1 }}", "{{ missing < 1 }}", "{% for a, b in [1] %}{% endfor %}", "{% for x in n %}{% endfor %}", "{# open", "{% unknown %}", "{{ n is divisibleby 0 }}", "{{ 'a' < 1 }}", "{{ ) }}",
]


def render(source, context):
    try:
        return {"text": _compile_jinja_template(source).render(**context)}
    except Exception as error:  # what fails there has to fail here
        return {"error": f"{type(error).__name__}: {error}"}


def templates():
    cases = []
    for name in sorted(os.listdir(os.path.join(HERE, "templates"))):
        with open(os.path.join(HERE, "templates", name), newline="") as file:
            source = file.read()
        for chat in CHATS:
            context = {"add_generation_prompt": True, "tools": None, "bos_token": "<s>", "eos_token": "</s>", "date_string": "5 May 2025", **chat}
            cases.append({"file": name, "context": context, **render(source, context)})
    formats = "%d %b %Y|%Y-%m-%d %H:%M:%S|%A %a %B %j %y %I %p|%F %T %% %e"
    dates = [
        [t, formats, datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime(formats)]
        for t in [0, 951782399, 951782400, 951868800, 1709164800, 1735689599, 1735689600, 1740787200, 4107542400, -1, -2208988800]
    ]
    return {"dates": dates, "data": DATA, "models": cases, "snippets": [{"source": s, **render(s, DATA)} for s in SNIPPETS]}


if __name__ == "__main__":
    for name, value in [("encodings.json", encodings()), ("templates.json", templates())]:
        with open(os.path.join(HERE, name), "w") as file:
            json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
