"""Writes jinja.json: what Jinja2, set up as transformers does, makes of every filter, test, method and statement.

    VENV/bin/python Tests/Fixtures/text/jinja_golden.py
"""

import copy
import json
import re
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

DATA = {
    "n": 7, "m": -7, "f": 2.5, "z": 0, "big": 18446744073709551615, "yes": True, "no": False, "nil": None, "e": "",
    "s": "Hello wORLD", "t": "  a-b c  ", "u": "Straße ÉÇA ǆ ΟΔΟΣ 日本 ½²٣", "h": "<a href='x'>A & B</a>", "q": "it's \"q\"\n\t\\",
    "lines": "one\n\n  two\r\nthree\n", "l": [3, 1, 2], "w": ["b", "A", "c", "a", "B"], "mix": [1, "two", None, 2.0, True, [3], {"k": 4}],
    "nums": [1, 2.5, True, 3], "ll": [[1, 2], [3, [4, 5]], []], "d": {"b": 2, "a": 1, "C": 3},
    "people": [{"name": "Bo", "age": 30, "city": {"zip": "Z1"}}, {"name": "al", "age": 25, "city": {"zip": "a2"}},
               {"name": "Cy", "age": 30}],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
                 {"role": "assistant", "content": "Yes?", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
                 {"role": "tool", "content": "{\"ok\": true}"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": ["int", "null"]}}, "required": ["x"]}}}],
}  # fmt: skip

VALUES = ["n", "m", "f", "z", "yes", "nil", "e", "s", "t", "u", "h", "q", "lines", "l", "w", "mix", "d", "ll", "missing",
          "(1, 'a')", "range(3)", "s|e"]  # fmt: skip

# Filters, tests and methods without arguments, on every kind of value.
PLAIN_FILTERS = """abs capitalize count d default dictsort e escape filesizeformat first float forceescape int items join last
length list lower max min pprint reverse round safe sort string striptags sum title trim unique upper urlencode wordcount
xmlattr tojson indent center truncate wordwrap batch slice map select reject groupby attr format replace urlize""".split()
PLAIN_TESTS = """boolean callable defined escaped even false filter float integer iterable lower mapping none number odd
sequence string test true undefined upper""".split()

TEMPLATES = {
    "filters": """
{{ l|abs }} | {{ -3|abs }} {{ -2.5|abs }} {{ true|abs }} | {{ d|attr('b') }} {{ s|attr('upper') is callable }}
{{ l|batch(2)|list }} | {{ l|batch(2, 'x')|list }} | {{ l|batch(linecount=2, fill_with=0)|list }} | {{ []|batch(3)|list }}
{{ l|batch(0)|list }} | {{ l|batch(-1)|list }} | {{ 'abcde'|batch(2)|list }}
{{ 'ab'|center(7) }}| {{ 'ab'|center(6) }}| {{ 'abc'|center(6) }}| {{ 'abc'|center(7) }}| {{ 'ab'|center(1) }}| {{ 5|center(4) }}|
{{ missing|default('x') }} {{ e|default('x') }} {{ e|default('x', true) }} {{ nil|default('x', boolean=true) }} {{ nil|d('x') }}
{{ missing|default(default_value=3) }} {{ missing.a|default('x') }}
{{ d|dictsort }} {{ d|dictsort(true) }} {{ d|dictsort(by='value') }} {{ d|dictsort(false, 'key', true) }} {{ d|dictsort(reverse=true) }}
{{ d|dictsort(by='x') }}
{{ {'b': 1, 'B': 0, 'a': 3}|dictsort }} {{ {2: 'a', 1: 'b'}|dictsort }} {{ {'a': 'B', 'b': 'a'}|dictsort(by='value') }}
{{ h|e }} {{ h|e|e }} {{ h|escape|string }} {{ h|forceescape }} {{ h|e|forceescape }} {{ (h|e) ~ '<' }} {{ (h|e) + '<' }} {{ '<' + (h|e) }}
{{ (h|safe) + '<' }} {{ ['<', h|e]|join('&') }} {{ (h|e) * 2 }} {{ (h|e)|length }} {{ (h|e) == (h|e) }} {{ (h|e)|upper }} {{ (h|e)[0:6] + '<' }}
{{ ('<'|e).upper() + '<' }} {{ ('a b'|e).split() }} {{ ('<'|safe)|replace('<', '>') }} {{ [s|e] }} {{ (s|e) is string }} {{ (s|e) is escaped }}
{{ 1|filesizeformat }} {{ 0|filesizeformat }} {{ 999|filesizeformat }} {{ 1000|filesizeformat }} {{ 1024|filesizeformat(true) }} {{ 123456789|filesizeformat }}
{{ 1e30|filesizeformat }} {{ '2048'|filesizeformat(binary=true) }} {{ 1e24|filesizeformat }} {{ 1.5|filesizeformat }}
{{ '3.5'|float }} {{ 'x'|float }} {{ 'x'|float(1) }} {{ 'x'|float(default=none) }} {{ ' 1e3 '|float }} {{ 'inf'|float }} {{ '-Infinity'|float }} {{ 'nan'|float }} {{ '1_0.5'|float }} {{ '0x10'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '1__0'|float }} {{ 'e5'|float }} {{ '1e400'|float }}
{{ '42'|int }} {{ '4.9'|int }} {{ '-4.9'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ 'x'|int(default=5) }} {{ '0x1f'|int(0, 16) }} {{ '1f'|int(base=16) }} {{ '0b11'|int(0, 2) }} {{ '0o17'|int(0, 8) }} {{ '17'|int(0, 8) }} {{ '0x1f'|int(0, 0) }} {{ '1_000'|int }} {{ ' 12 '|int }} {{ '+5'|int }} {{ '٣'|int }} {{ 3.99|int }} {{ true|int }} {{ '1e3'|int }} {{ 'inf'|int }} {{ none|int }} {{ '--5'|int }} {{ '0x'|int(1, 16) }}
{{ '99999999999999999999'|int }} {{ '1e30'|int }}
{{ [1, 2]|int }} {{ missing|int }} {{ missing|float }}
{{ l|first }} {{ ''|first }} {{ d|first }} {{ 'xyz'|first }} {{ l|last }} {{ d|last }} {{ []|last }} {{ 'xyz'|last }} {{ range(5)|last }}
{{ (l|map('string'))|first }} {{ (l|map('string'))|last }}
{{ '%s-%d'|format('a', 5) }} {{ '%(a)s %(b)05.1f'|format(a=1, b=2.25) }} {{ '%s'|format(l) }} {{ 'x'|format }} {{ '%s'|format }}
{% for k, g in people|groupby('age') %}{{ k }}:{{ g|map(attribute='name')|join(',') }};{% endfor %}
{{ people|groupby('city.zip', default='none')|map('first')|list }} {{ w|groupby(0)|map(attribute='grouper')|list }} {{ w|groupby(0, case_sensitive=true)|map('first')|list }}
{% for g in people|groupby('age') %}{{ g.grouper }} {{ g.list|length }} {{ g[0] }}{% endfor %} {{ (people|groupby('age'))[0][0] }} {{ [1,2]|groupby('x') }}
{{ people|groupby('name')|map('first')|list }} {{ people|groupby('age') }}
{{ lines|indent }} | {{ lines|indent(2) }} | {{ lines|indent(2, true) }} | {{ lines|indent(2, true, true) }} | {{ lines|indent(width=1, blank=true) }} | {{ lines|indent('>> ', first=true) }} | {{ 'x'|indent(0) }} | {{ ''|indent(2, true) }} | {{ 'a\\n\\nb\\n'|indent(-1) }}
{{ 5|indent }}
{{ d|items|list }} {{ missing|items|list }}
{{ l|join }} {{ l|join(', ') }} {{ people|join('-', 'name') }} {{ people|join(d='+', attribute='age') }} {{ mix|join('|') }} {{ 'abc'|join('-') }} {{ l|join(1) }} {{ people|join(',', attribute='city.zip') }} {{ missing|join(',') }} {{ d|join(',') }}
{{ w|max }} {{ w|max(true) }} {{ w|min }} {{ w|min(case_sensitive=true) }} {{ people|max(attribute='age') }} {{ []|max }} {{ nums|max }} {{ nums|min }} {{ ''|min }} {{ people|min(attribute='name') }}
{{ mix|max }}
{{ people|map(attribute='name')|list }} {{ people|map(attribute='city.zip', default='?')|list }} {{ people|map(attribute='zz', default='q')|list }} {{ w|map('upper')|join }} {{ ll|map('length')|list }} {{ l|map('round', 1)|list }} {{ ll|map(attribute=0)|list }} {{ ll|map('first')|list }} {{ w|map('replace', 'a', 'x')|list }} {{ l|map('string')|map('center', 3)|list }}
{{ l|map('nofilter')|list }}
{{ w|map }}
{{ l|map(attribute='x', foo=1)|list }}
{{ mix|pprint }} {{ d|pprint }} {{ s|pprint }}
{{ l|select('odd')|list }} {{ l|select('gt', 1)|list }} {{ mix|select|list }} {{ mix|reject|list }} {{ mix|select('string')|list }} {{ mix|reject('none')|list }} {{ l|select('in', [1, 2])|list }} {{ l|select('divisibleby', 3)|list }} {{ l|select('divisibleby', num=3)|list }} {{ l|reject('equalto', 1)|list }} {{ l|select('==', 1)|list }}
{{ people|selectattr('age', 'eq', 30)|map(attribute='name')|list }} {{ people|rejectattr('city')|map(attribute='name')|list }} {{ people|selectattr('city.zip')|list|length }} {{ people|selectattr('city', 'defined')|list|length }} {{ people|selectattr('age', '>', 26)|list|length }} {{ people|rejectattr('age', 'gt', 26)|list|length }}
{{ l|select('nosuch')|list }}
{{ people|selectattr()|list }}
{{ 'aXbXc'|replace('X', '-') }} {{ 'aXbXc'|replace('X', '-', 1) }} {{ 'abc'|replace('', '-') }} {{ 'abc'|replace('', '-', 2) }} {{ 123|replace(2, 5) }} {{ 'aaa'|replace('a', '', count=2) }} {{ 'abc'|replace('x') }}
{{ 'abc'|reverse }} {{ l|reverse|list }} {{ d|reverse|list }} {{ range(3)|reverse|list }} {{ (1, 2)|reverse|list }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(1, 'ceil') }} {{ 42|round }} {{ 1234.5|round(-2) }} {{ 1250|round(-2) }} {{ 1350|round(-2) }} {{ -2.5|round }} {{ 0.5|round }} {{ 1e20|round(2) }} {{ 42.4|round(method='ceil') }} {{ -42.4|round(method='floor') }} {{ 42|round(1, 'floor') }} {{ 1.005|round(2) }} {{ 1234|round(-2, 'ceil') }} {{ true|round }} {{ 5.015|round(2) }} {{ 0.1|round(20) }} {{ 250.0|round(-2) }} {{ 149.9|round(-2) }}
{{ 42.5|round(1, 'up') }}
{{ l|slice(2)|list }} {{ w|slice(3)|list }} {{ w|slice(3, 'x')|list }} {{ w|slice(slices=2, fill_with=none)|list }} {{ l|slice(5)|list }} {{ l|slice(-1)|list }}
{{ l|slice(0)|list }}
{{ l|sort }} {{ l|sort(true) }} {{ w|sort }} {{ w|sort(case_sensitive=true) }} {{ w|sort(reverse=true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age,name')|map(attribute='name')|list }} {{ people|sort(true, attribute='name')|map(attribute='name')|list }} {{ d|sort }} {{ 'hello'|sort }} {{ nums|sort }} {{ people|sort(reverse=true, attribute='age')|map(attribute='name')|list }}
{{ mix|sort }}
{{ 5|string ~ 'x' }} {{ mix|string }} {{ '<p>a <b>b</b>  c</p>'|striptags }} {{ 'a<!-- x -->b'|striptags }} {{ 'a < b'|striptags }} {{ '  x  y '|striptags }} {{ 'a &amp; b'|striptags }}
{{ l|sum }} {{ people|sum('age') }} {{ people|sum(attribute='age', start=5) }} {{ nums|sum }} {{ []|sum }} {{ [[1],[2]]|sum(start=[]) }}
{{ w|sum }}
{{ "foo bar-baz it's (x) [y]"|title }} {{ 'ÉCOLE été'|title }} {{ 'a\\tb\\nc'|title }} {{ '3x'|title }}
{{ '  x '|trim }}| {{ 'xxaxx'|trim('x') }} {{ 'abcba'|trim(chars='ab') }} {{ 5|trim }} {{ '\\u00a0x\\u2003'|trim }}|
{{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '...', 0) }} {{ 'foo bar baz'|truncate(5, end='') }} {{ 'foo bar baz'|truncate(8, true, '!', 0) }} {{ 'short'|truncate }} {{ 'foobarbazqux'|truncate(6, leeway=0) }}
{{ 'foo bar'|truncate(1, leeway=0) }}
{{ w|unique|list }} {{ w|unique(true)|list }} {{ people|unique(attribute='age')|map(attribute='name')|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ 'hello'|unique|join }}
{{ [[1]]|unique|list }}
{{ 'a b/c?d=é&x'|urlencode }} {{ {'a b': 'c/d', 'e': 1}|urlencode }} {{ [('a', 1), ('b', 2)]|urlencode }} {{ 5|urlencode }}
{{ 'a bc  d_e-f'|wordcount }} {{ ''|wordcount }} {{ u|wordcount }}
{{ 'the quick brown fox'|wordwrap(9) }} | {{ 'a verylongwordindeed b'|wordwrap(6) }} | {{ 'a verylongwordindeed b'|wordwrap(6, false) }} | {{ 'well-known fact here'|wordwrap(7) }} | {{ 'one two\\nthree four'|wordwrap(5, wrapstring='|') }} | {{ 'aa  bb'|wordwrap(3) }} | {{ 'well-known'|wordwrap(6, break_on_hyphens=false) }}
{{ {'a': 1, 'b': none, 'c': '<', 'd': missing}|xmlattr }} | {{ {'a': 1}|xmlattr(false) }} | {{ {}|xmlattr }} |
{{ {'a b': 1}|xmlattr }}
{{ h|e|striptags }} {{ h|upper|safe }} {{ l|length }} {{ l|count }} {{ range(4)|length }} {{ 'é'|length }} {{ d.items()|length }}
{{ l|select|length }}
{{ '5'|upper is upper }} {{ u|upper }} {{ u|lower }} {{ u|title }} {{ u|capitalize }} {{ 'ß'|upper }} {{ 'ǆ'|capitalize }} {{ 'ΟΔΟΣ'|lower }}
{{ s|nofilter }}
{% if false %}{{ s|nofilter }}{% endif %}ok
{{ s|nofilter if false else 'ok' }}
{% for x in [] %}{{ s|nofilter }}{% endfor %}ok
{{ 'filter' is filter }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ 'nope' is test }} {{ 'tojson' is filter }}
{{ l|random }}
{{ 'http://x.org a'|urlize }}
""",
    "tojson": """
{{ mix|tojson }} {{ d|tojson }} {{ s|tojson }} {{ q|tojson }} {{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ u|tojson(true) }} {{ h|tojson }}
{{ d|tojson(indent=2) }} {{ d|tojson(indent=0) }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ ll|tojson(indent=1) }}
{{ d|tojson(sort_keys=true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(indent=2, separators=(',', '=')) }} {{ mix|tojson(false, none, [', ', ' : ']) }}
{{ {1: 2, none: 3, true: 4, 2.5: 5}|tojson }} {{ (1, 2)|tojson }} {{ 1.0|tojson }} {{ 1e20|tojson }} {{ 0.1|tojson }} {{ 'nan'|float|tojson }} {{ none|tojson }} {{ true|tojson }} {{ big|tojson }} {{ 1e16|tojson }} {{ 1.5e-7|tojson }}
{{ {'a': {'b': [1, {'c': none}]}}|tojson(indent=4) }}
{{ missing|tojson }}
{{ range(3)|tojson }}
{{ {(1, 2): 3}|tojson }}
{{ l|map('string')|tojson }}
{{ d.items()|tojson }}
{{ d|items|tojson }}
{{ (h|e)|tojson }} {{ '\\u007f\\u2028é\\U0001F600'|tojson }} {{ '\\u007f\\u2028é\\U0001F600'|tojson(ensure_ascii=true) }} {{ '\\x00\\x1f'|tojson }}
{{ d|tojson(indent='\\t') }}
""",
    "tests": """
{{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 4.0 is divisibleby 2 }} {{ 3.0 is odd }} {{ 4.0 is even }} {{ -1 is odd }} {{ 2.5 is odd }}
{{ 1 is eq 1.0 }} {{ 1 is equalto 2 }} {{ 'a' is lt 'b' }} {{ 2 is ge 2 }} {{ 2 is greaterthan 1 }} {{ 1 is lessthan 1 }} {{ 1 is le 1 }} {{ 1 is ne 2 }} {{ 1 is gt 0 }}
{{ 1 is in l }} {{ 'ell' is in s }} {{ 'b' is in d }} {{ 5 is not in l }} {{ 'x' is in 'abc' }}
{{ nil is sameas none }} {{ true is sameas true }} {{ 1 is sameas true }} {{ 0 is sameas false }} {{ 1 is sameas 1 }} {{ 1 is sameas 1.0 }} {{ 'a' is sameas 'b' }} {{ l is sameas d }} {{ 1 is sameas none }}
{{ l is sameas l }} {{ 'a' is sameas 'a' }}
{{ 'ABC' is upper }} {{ 'abc1' is lower }} {{ '1' is lower }} {{ 'aB' is upper }} {{ 5 is upper }}
{{ missing is defined }} {{ missing is undefined }} {{ d.x is defined }} {{ d.b is defined }} {{ d['b'] is not defined }} {{ nil is defined }} {{ d.items is defined }} {{ s.upper is defined }} {{ l.foo is defined }}
{{ (lambda) is defined }}
{{ range is callable }} {{ s.upper is callable }} {{ missing is callable }} {{ d.get is callable }} {{ dict is callable }} {{ cycler('a') is callable }} {{ joiner() is callable }}
{{ 1 is number }} {{ true is number }} {{ 1.5 is number }} {{ '1' is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ big is integer }}
{{ l is iterable }} {{ 5 is iterable }} {{ s is iterable }} {{ d is mapping }} {{ l is mapping }} {{ d is sequence }} {{ range(2) is sequence }} {{ d.keys() is sequence }} {{ d.keys() is iterable }} {{ (l|map('string')) is iterable }} {{ (l|map('string')) is sequence }} {{ namespace() is iterable }} {{ namespace() is mapping }}
{{ 1 is nosuchtest }}
{% if false and (1 is nosuchtest) %}{% endif %}ok
{{ 5 is odd is true }}
{{ (5 is odd) is true }} {{ not 5 is odd }} {{ 5 is not odd }} {{ not (5 is not odd) }} {{ 5 is odd and 4 is even }} {{ 5 is odd or missing.x }}
{{ 'a' is odd }}
{{ 1 is divisibleby 0 }}
{{ 'x' is string if true else 'y' }} {{ 3 is divisibleby 3 and true }} {{ 3 is in [1, 2, 3] }} {{ 3 is in (1, 2, 3) }} {{ 'k' is in {'k': 1} }} {{ 3 is eq n - 4 }} {{ 3 is eq l[0] }} {{ 3 is eq -3 }}
""",
    "globals": """
{{ range(3) }} {{ range(1, 5) }} {{ range(1, 10, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(3)[1] }} {{ range(3)[-1] }} {{ 2 in range(3) }} {{ range(3) == range(3) }} {{ range(3) == [0, 1, 2] }} {{ range(0, 6, 2) }} {{ range(3).stop }} {{ range(5).index(3) }} {{ range(5).count(3) }}
{{ range(100001)|length }}
{{ range(1.5) }}
{{ range('3') }}
{{ range() }}
{{ range(1, 2, 0) }}
{{ range(stop=3) }}
{{ range(3) + [1] }}
{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([('a', 1), ['b', 2]]) }} {{ dict() }} {{ dict(b=1, a=2) }} {{ dict(**d) }} {{ dict(d, b=9) }} {{ dict(d.items()) }} {{ dict(people[0].items()|list)|length }}
{{ dict(5) }}
{{ dict([1]) }}
{% set ns = namespace(a=1, b='x') %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{% set ns.a = ns.a + 1 %}{{ ns.a }} {{ ns }} {{ ns['a'] }} {{ ns.c is defined }}
{% set ns = namespace({'k': 1}) %}{{ ns.k }}{% for i in l %}{% set ns.k = ns.k + i %}{% endfor %}{{ ns.k }}
{% set ns.x = 1 %}
{% set x = 5 %}{% set x.y = 1 %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}{{ c.next() }}
{{ cycler() }}
{% set j = joiner() %}{% for i in l %}{{ j() }}{{ i }}{% endfor %} {% set j = joiner(' | ') %}{{ j() }}{{ j() }}{{ j() }}
{% set j = joiner(sep='-') %}{{ j() }}a{{ j() }}b
{{ raise_exception('no') }}
{{ nothere() }}
{{ nothere.x }}
{{ s() }}
{{ 5() }}
{{ d() }}
""",
    "methods": """
{{ s.upper() }} {{ s.lower() }} {{ s.capitalize() }} {{ s.title() }} {{ s.swapcase() }} {{ s.casefold() }} {{ "they're bill's"['title']() }} {{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.swapcase() }} {{ u.capitalize() }}
{{ 'ab'.center(6) }}| {{ 'ab'.center(7, '*') }} {{ 'ab'.ljust(5, '.') }} {{ 'ab'.rjust(5) }} {{ 'ab'.zfill(5) }} {{ '-5'.zfill(4) }} {{ '+x'.zfill(5) }} {{ ''.zfill(2) }} {{ 'abc'.center(8, '*') }}
{{ 'ab'.center() }}
{{ 'ab'.ljust(5, 'xy') }}
{{ 'banana'.count('a') }} {{ 'banana'.count('an', 2) }} {{ 'banana'.count('') }} {{ 'banana'.count('a', 0, 3) }} {{ 'banana'.count('a', -3) }} {{ 'aaa'.count('aa') }}
{{ s.startswith('He') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith('LD', 3) }} {{ s.startswith('llo', 2, 5) }} {{ s.startswith('') }} {{ s.endswith(()) }} {{ ''.startswith('', 1) }}
{{ s.startswith(['H']) }}
{{ s.startswith(5) }}
{{ 'banana'.find('n') }} {{ 'banana'.find('x') }} {{ 'banana'.find('n', 3) }} {{ 'banana'.rfind('n') }} {{ 'banana'.find('') }} {{ 'banana'.rfind('') }} {{ 'banana'.find('a', 2, 3) }} {{ '日本日'.find('日', 1) }} {{ 'banana'.index('n') }} {{ 'banana'.rindex('a') }} {{ 'banana'.find('a', none, 1) }} {{ 'abc'.find('', 4) }} {{ 'abc'.find('', 3) }}
{{ 'banana'.index('x') }}
{{ 'banana'.rindex('x') }}
{{ 'a\\tbc\\td'.expandtabs() }}| {{ 'a\\tb'.expandtabs(4) }}| {{ 'a\\tb'.expandtabs(tabsize=0) }}| {{ 'ab\\n\\tc'.expandtabs(2) }}|
{{ 'a1'.isalnum() }} {{ 'a'.isalpha() }} {{ 'é'.isascii() }} {{ ''.isascii() }} {{ '1'.isdecimal() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ '½'.isdigit() }} {{ 'ab_1'.isidentifier() }} {{ '1a'.isidentifier() }} {{ 'a'.islower() }} {{ 'a1'.islower() }} {{ '1'.islower() }} {{ 'A b'.isupper() }} {{ 'AB'.isupper() }} {{ ' '.isspace() }} {{ ''.isspace() }} {{ 'Ab Cd'.istitle() }} {{ 'AB'.istitle() }} {{ 'A1b'.istitle() }} {{ 'a\\n'.isprintable() }} {{ 'é'.isprintable() }} {{ '一'.isnumeric() }} {{ '٣'.isdigit() }} {{ '日'.isalpha() }}
{{ ','.join(['a', 'b']) }} {{ ''.join('abc') }} {{ '-'.join(d) }} {{ ','.join(w|map('upper')) }} {{ ', '.join(d.keys()) }} {{ ','.join(()) }}
{{ ','.join([1, 2]) }}
{{ 'a,b,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b  c'.split() }} {{ ' a b '.split(' ') }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b c'.rsplit(none, 1) }} {{ 'a b c'.split(none, 1) }} {{ 'a b c'.split(maxsplit=1) }} {{ 'abc'.split(sep='b') }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a  b  c '.split(none, 1) }} {{ ' a  b  c '.rsplit(none, 1) }} {{ 'a b'.split(none, 0) }} {{ 'aXXbXXc'.rsplit('XX', 1) }} {{ 'aaa'.rsplit('aa') }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ lines.splitlines(keepends=true) }} {{ ''.splitlines() }} {{ 'a\\x0bb\\x1cc\\u2028d'.splitlines() }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }}
{{ 'xaxbx'.replace('x', 'y') }} {{ 'xaxbx'.replace('x', 'y', 2) }} {{ 'abc'.replace('', '.') }} {{ 'abc'.replace('b', '') }} {{ 'abc'.replace('', '-', 0) }} {{ 'abc'.replace('', '-', 1) }}
{{ 'abc'.replace('b') }}
{{ 'abc'.replace('b', 5) }}
{{ ' x '.strip() }}| {{ 'xxaxx'.strip('x') }} {{ 'xxaxx'.lstrip('x') }} {{ 'xxaxx'.rstrip('x') }} {{ 'abc'.strip(none) }} {{ 'www.x.com'.strip('w.moc') }} {{ 'prefix-a'.removeprefix('prefix-') }} {{ 'a.txt'.removesuffix('.txt') }} {{ 'a'.removesuffix('') }}
{{ 'abc'.strip(chars='a') }}
{{ d.get('a') }} {{ d.get('x') }} {{ d.get('x', 5) }} {{ d.keys() }} {{ d.values() }} {{ d.items() }} {{ d.keys()|list }} {{ d.copy() }} {{ d.items()|list }} {{ {}.fromkeys(['a'], 1) }}
{{ d.get('a', default=1) }}
{{ d.get() }}
{{ d.pop('a') }}
{{ d.update({'z': 1}) }}
{{ d.setdefault('a', 1) }}
{{ d.clear() }}
{{ l.append(4) }}
{{ l.sort() }}
{{ l.pop() }}
{{ l.insert(0, 1) }}
{{ l.index(1) }} {{ l.count(3) }} {{ l.copy() }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }} {{ mix.count(1) }} {{ mix.index(2) }}
{{ l.index(9) }}
{{ n.bit_length() }} {{ n.real }} {{ n.imag }} {{ n.numerator }} {{ f.is_integer() }} {{ 2.0.is_integer() }} {{ f.real }} {{ n.conjugate() }} {{ (255).bit_count() }} {{ true.real }}
{{ d.items }}
{{ messages[2].items is defined }} {{ people[0].keys()|join(',') }} {{ {'items': 5}.items is callable }} {{ {'items': 5}['items'] }} {{ {'keys': 1}.keys()|list }} {{ {'x': 1}['keys'] is callable }} {{ s['upper']() }} {{ l['index'](1) }}
{{ ''.__class__ }} {{ s.__len__ is defined }} {{ d._x is defined }} {{ {'_x': 4}._x }}
{{ ''.__class__.__mro__ }}
{{ s.nosuch }} {{ s.nosuch is defined }}
{{ s.nosuch() }}
{{ s.nosuch.x }}
{% set f = s.upper %}{{ f() }} {% set g = d.get %}{{ g('a') }}
{{ 'abc'[1] }} {{ 'abc'[-1] }} {{ 'abc'[5] }} {{ 'abc'['x'] }} {{ l[0] }} {{ l[-1] }} {{ l[9] }} {{ l['x'] }} {{ d['x'] }} {{ l.0 }} {{ ll.1.1.0 }} {{ n[0] }} {{ nil.x }} {{ nil['x'] }} {{ d[[1]] }} {{ (1, 2)[1] }} {{ 'é日'[1] }} {{ l[true] }} {{ l[1.0] }}
{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[::2] }} {{ 'abcdef'[-3:] }} {{ 'abcdef'[:-1] }} {{ l[1:] }} {{ l[::-1] }} {{ l[:] }} {{ (1, 2, 3)[1:] }} {{ l[5:] }} {{ 'abc'[none:2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abcdef'[-100:100] }} {{ l[-2:-1] }} {{ 'abc'[true:] }}
{{ l[::0] }}
{{ n[1:2] }}
{{ d[1:2] }}
{{ s['a':] }}
{{ missing[1:] }}
{{ missing[0] }}
{{ missing.x }}
{{ missing['x'] }}
{{ l[1.5] }} {{ {'a': 1}[none] }} {{ {(1, 2): 'x'}[1, 2] }} {{ {1: 'a'}[1.0] }} {{ {1: 'a'}[true] }} {{ {none: 'n'}[none] }}
""",
    "format": """
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format(1, 2) }} {{ '{a} {b}'.format(a=1, b=2) }} {{ '{0} {a}'.format(1, a=2) }} {{ '{{}}'.format() }} {{ '{!r} {!s} {!a}'.format('é', 'é', 'é') }} {{ '{0.x}'.format({'x': 1}) }} {{ '{0[x]} {0[0]}'.format({'x': 1, 0: 2}) }} {{ '{0[1]}'.format(l) }} {{ '{a.b.c}'.format(a={'b': {'c': 3}}) }}
{{ '{} {0}'.format(1) }}
{{ '{'.format() }}
{{ '}'.format() }}
{{ '{0}'.format() }}
{{ '{a}'.format() }}
{{ '{0!x}'.format(1) }}
{{ '{:>5}|{:<5}|{:^5}|{:*^7}|{:=+5}'.format('a', 'b', 'c', 'd', 5) }} {{ '{:05}|{:+}|{: }|{:-}'.format(42, 42, 42, -42) }} {{ '{:x} {:X} {:#x} {:o} {:#o} {:b} {:#b} {:d} {:c}'.format(255, 255, 255, 8, 8, 5, 5, 7, 65) }} {{ '{:,} {:_} {:,.2f}'.format(1234567, 1234567, 1234567.891) }}
{{ '{:.2f} {:.0f} {:e} {:.3e} {:g} {:g} {:g} {:%} {:.1%}'.format(3.14159, 2.5, 12345.678, 0.00012345, 1e10, 0.0001, 123456789, 0.25, 0.12345) }} {{ '{:10.3f}|{:<10.3f}|{:^10.3f}|{:+.1f}|{:010.2f}'.format(3.14159, 3.14159, 3.14159, 2.55, -3.14159) }} {{ '{:.3} {:.3} {:.10}'.format(3.14159, 'abcdef', 1e5) }} {{ '{:.1} {:.2} {:.4} {:.17}'.format(12.0, 12.0, 1234.5, 0.1) }}
{{ '{:>{}}|{:>{w}}|{:.{p}f}'.format('a', 4, 'b', 2.5, w=3, p=1) }} {{ '{:>{w}}'.format('b', w=3) }} {{ '{:.{}f}'.format(2.0, 3) }}
{{ '{:5}|{:5}|{:5}'.format(true, 1.5, none) }}
{{ '{} {} {}'.format(true, none, l) }} {{ '{:d}'.format(true) }} {{ '{:s}'.format('x') }} {{ '{:G} {:E} {:F}'.format(1e-10, 1.5, 1.5) }} {{ '{:x}'.format(-255) }} {{ '{:#06x} {:08b}'.format(255, 5) }} {{ '{:,}'.format(-1234567.5) }} {{ '{:012,}'.format(1234567) }} {{ '{:n}'.format(5) }}
{{ '{:d}'.format(1.5) }}
{{ '{:s}'.format(5) }}
{{ '{:zz}'.format(5) }}
{{ '{:5}'.format(l) }}
{{ '{a} {b}'.format_map({'a': 1, 'b': 2}) }} {{ '{0}'.format('x', 'y') }} {{ '{a[k]}'.format(a={'k': 5}) }} {{ '{}'.format(missing) }} {{ '{0.nosuch}'.format('x') }} {{ '{0.upper}'.format('x') is string }}
{{ '%s %r %a'|format('é', 'é', 'é') }} {{ '%d %i %u' % (1, 2.9, true) }} {{ '%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42) }} {{ '%x %X %#x %o %#o' % (255, 255, 255, 8, 8) }} {{ '%f %.2f %10.3f|%-10.3f|%e %.1e %g %G' % (1.5, 2.675, 3.14159, 3.14159, 12345.6789, 0.00015, 1e-7, 1e20) }} {{ '%c%c' % ('a', 66) }} {{ '%%' % () }} {{ '%(a)s-%(b)d' % {'a': 'x', 'b': 5} }} {{ '%*d|%-*d|%.*f' % (5, 42, 5, 42, 2, 3.14159) }} {{ '%s' % 'x' }} {{ '%s' % l }} {{ '%s %s' % (1, l) }} {{ '%.2s' % 'abc' }} {{ '%5s|%-5s|' % ('a', 'b') }} {{ '%.3d' % 5 }} {{ '%+.3d' % 5 }} {{ '%05.1f' % -2.25 }} {{ '%s' % none }} {{ 'no places' % {} }} {{ '%ld' % 5 }} {{ '%s' % (d,) }} {{ '%s' % d }} {{ '%x' % -255 }} {{ '%#5x|%-#7x|' % (10, 10) }} {{ '%010d' % -42 }} {{ '%5%' % () }}
{{ '%s %s' % 1 }}
{{ '%s' % (1, 2) }}
{{ '%d' % 'x' }}
{{ '%x' % 1.5 }}
{{ '%q' % 1 }}
{{ '%' % 1 }}
{{ '%(a)s' % 5 }}
{{ '%(b)s' % {'a': 1} }}
{{ 'abc' % 5 }}
{{ '%s' % () }}
""",
    "numbers": """
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1.2e16 }} {{ 1e15 }} {{ 123456789012345678.0 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1e100 }} {{ -0.0 }} {{ 1.0 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 100000000000000000000.0 }} {{ 1e22 }} {{ 1e23 }}
{{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ 2 - 3 - 4 }} {{ 20 / 2 / 5 }} {{ 2 * 3 % 4 }} {{ 'a' ~ 1 + 2 }} {{ 1 ~ 2 * 3 }} {{ -3|abs }} {{ -n|abs }} {{ +n }} {{ - -3 }} {{ -true }} {{ +2.5 }} {{ not 0 }} {{ not '' or 0 }} {{ 1 + true }} {{ true + true }} {{ 3 * 'ab' }} {{ 'ab' * -1 }} {{ [1] * 3 }} {{ 2 * (1, 2) }} {{ 'a' 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ -2 ** 2 }} {{ 2 ** -2 }}
{{ 1_000 }} {{ 0xff }} {{ 0XFF }} {{ 0o17 }} {{ 0b101 }} {{ 0x_f }} {{ 1e3 }} {{ 1.5E-3 }} {{ 1_0.0_1 }} {{ 00 }} {{ 1e1_0 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 0.0 ** -1 }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ [1] + (2,) }}
{{ l + 'a' }}
{{ 'a' - 'b' }}
{{ none + 1 }}
{{ missing + 1 }}
{{ -missing }}
{{ -'a' }}
{{ +'a' }}
{{ 012 }}
{{ 1.}}
{{ 'a' * 1.5 }}
{{ 2 ** 64 }} {{ 9223372036854775807 + 1 }}
{{ 2 ** 64 - 2 ** 64 }}
{{ big }} {{ big == big }} {{ big > 1 }} {{ -big }}
{{ 10 ** 20 // 3 }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ none == false }} {{ [1, 2] == [1, 2] }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }} {{ missing == missing }} {{ missing == none }} {{ 1 != 2 }} {{ 'a' < 'b' }} {{ 'a' < 'B' }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, 2) < (2,) }} {{ true < 2 }} {{ 1 < 2 < 3 }} {{ 1 < 2 > 1 }} {{ 3 > 2 > 2 }} {{ 1 < 1.5 }} {{ 'é' == 'e\\u0301' }} {{ 'nan'|float == 'nan'|float }} {{ 'nan'|float < 1 }} {{ 'nan'|float >= 1 }} {{ 'ab' <= 'ab' }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ d < d }}
{{ [1] < (1,) }}
{{ missing < 1 }}
{{ 1 in [1.0] }} {{ 'a' in 'abc' }} {{ '' in 'abc' }} {{ 'a' not in d }} {{ 1 in (1, 2) }} {{ 'a' in missing }} {{ none in [none] }} {{ 'b' in d.keys() }} {{ 2 in d.values() }} {{ ('b', 2) in d.items() }} {{ [1] in [[1]] }} {{ not 'a' in 'b' }} {{ missing in [1] }} {{ 1 in {1: 2} }} {{ true in {1: 2} }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ [1] in d }}
{{ missing in 'abc' }}
{{ 1 if true }} {{ 1 if false }}| {{ 1 if false else 2 }} {{ 1 if false else 2 if false else 3 }} {{ 'a' if 0 else 'b' if 1 else 'c' }} {{ (1 if true else 2) + 1 }} {{ 1 + 1 if true else 5 }} {{ none or 'x' }} {{ 0 and 1 }} {{ '' or [] or 'z' }} {{ 1 and 2 }} {{ not none }} {{ (1 if false) is undefined }}
{{ (1 if false).x }}
{{ 1, 2 }} {{ (1,) }} {{ () }} {{ [] }} {{ {} }} {{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, (2, 3)) }} {{ 1, }} {{ [(1, 2), [3]] }}
{{ {1: 'a', 'b': none, (1, 2): [3], none: true, 2.5: 0} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }} {{ {'a': 1, 'a': 2} }}
{{ {[1]: 2} }}
{{ q }} {{ [q] }} {{ ["it's"] }} {{ ['"'] }} {{ ['\\'"'] }} {{ ['é日\\u00a0\\u200b\\x00\\x7f\\u2028\\U0001F600\\ue000'] }} {{ [1.0, 1e20, none, true] }} {{ [missing] }} {{ ll }} {{ mix }} {{ d }} {{ [[], {}, ()] }} {{ {'a': {'b': (1,)}} }} {{ ['\\\\'] }}
{{ 'a\\nb' }} {{ 'a\\tb' }} {{ '\\x41\\u0042\\U00000043\\103' }} {{ '\\0' == '\\x00' }} {{ '\\1234' }} {{ 'a\\⏎b' }} {{ '\\q' }} {{ '\\é' }} {{ "\\"'" }} {{ '\\'' }} {{ '\\8' }} {{ '\\a\\b\\f\\v'|length }} {{ 'é'|length }}
{{ '\\x4' }}
{{ '\\u12' }}
{{ '\\N{DASH}' }}
{{ missing }}| {{ missing ~ 'x' }} {{ missing|length }} {{ missing|list }} {% for x in missing %}a{% else %}none{% endfor %} {{ missing or 'y' }} {{ missing is true }} {{ missing|upper }}| {{ missing|string }}| {{ [missing, 1]|join('-') }} {{ missing|first is undefined }} {{ missing == '' }} {{ not missing }} {{ d.x.y is defined if false else 'k' }}
{{ d.x.y is defined }}
{{ missing() }}
{{ l|length + 1 }} {{ s|upper ~ '!' }} {{ s|upper|lower }} {{ 'a,b'.split(',')|join('-') }} {{ -1.5|abs + 1 }} {{ 'x' ~ 1.0 ~ none ~ true ~ [1] }} {{ 5 . real }} {{ (5).real }}
""",
    "calls": """
{% macro m(a, b=2, c=a) %}[{{ a }},{{ b }},{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m(*[7, 8]) }}{{ m(**{'a': 9, 'b': 1}) }}{{ m() }}{{ m(1, *[2], **{'c': 3}) }}
{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}x{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}{{ varargs }} {{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }} {{ m() }}
{% macro m(a) %}{{ a }} {{ varargs }} {{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}{{ m(a=5) }}{{ m(1, a=2) }}
{% macro m(a, b=1) %}{{ caller is defined }}{% endmacro %}{{ m.name }} {{ m.arguments }} {{ m.catch_kwargs }} {{ m.catch_varargs }} {{ m.caller }} {{ m }} {{ m(1) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}
{% macro m() %}{{ y }}{% endmacro %}{{ m() }}{% set y = 2 %}{{ m() }}
{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{% macro m() %}{% set z = 5 %}{{ z }}{% endmacro %}{{ m() }}{{ z is defined }}
{% macro m(x) %}{{ x }}{% set x = 5 %}{{ x }}{% endmacro %}{{ m(1) }}{{ m() }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}
{% macro m(items) %}{% for i in items %}{{ caller(i, loop.index) }};{% endfor %}{% endmacro %}{% call(v, k) m(l) %}{{ k }}={{ v }}{% endcall %}
{% macro m() %}{{ caller(b=1) }}{% endmacro %}{% call(a=5, b=6) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}no caller{% endmacro %}{% call m() %}x{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m() %}{{ kwargs }}{{ caller() }}{% endmacro %}{% call m(a=1) %}c{% endcall %}
{% macro m(caller) %}x{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro outer() %}{% macro inner() %}I{% endmacro %}{{ inner() }}{{ inner() }}{% endmacro %}{{ outer() }}
{% set f = namespace(x=1) %}{% macro m(o) %}{% set o.x = o.x + 1 %}{% endmacro %}{{ m(f) }}{{ m(f) }}{{ f.x }}
{% macro m(a, b) %}{{ a }}-{{ b is defined }}{% endmacro %}{{ m(1) }}{{ m(b=2) }}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(a) -%}⏎  {{ a }}⏎{%- endmacro %}[{{ m('x') }}]
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% set q = 1 %}{{ q }}{% endcall %}{{ q is defined }}
{% macro wrap(x) %}({{ x }}){% endmacro %}{{ l|map('string')|map('upper')|join }}{{ wrap(wrap(1)) }}
{% call 5 %}x{% endcall %}
{% call s.upper() %}x{% endcall %}
{% call(x) (1) %}{% endcall %}
{{ m }}{% macro m() %}x{% endmacro %}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1)|upper ~ m('a')|upper }} {{ m('<')|e }} {{ m(missing) }}|
{% macro m() %}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}
{% filter upper %}a{{ s }}{% endfilter %} {% filter replace('a', 'b')|upper %}aaa{% endfilter %} {% filter indent(2) %}x⏎y{% endfilter %} {% filter trim %}  {% set inner = 1 %} z {% endfilter %}{{ inner is defined }}
{% filter nosuch %}x{% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }} {% with %}{% set k = 3 %}{{ k }}{% endwith %}{{ k is defined }} {% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with (a, b) = (1, 2) %}{{ a }}{{ b }}{% endwith %} {% with a = {'x': 1} %}{{ a.x }}{% endwith %}
{% raw %}{{ x }} {% if %} {# c #}{% endraw %} {%- raw -%}  {{ y }}  {%- endraw -%}  z
a  {% raw %}⏎ b⏎{% endraw %}⏎c {% raw %}{% endraw %}
{% autoescape false %}{{ h }}{% set k = 1 %}{% endautoescape %}{{ k is defined }}
{% autoescape true %}{{ h }}{% endautoescape %}
{% do l.append(1) %}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% from 'x' import y %}
{% block a %}A{{ n }}{% endblock %} {{ self.a() }} {% block b scoped %}{% endblock b %}
{% for i in l %}{% block c %}{{ i is defined }}{% endblock %}{% endfor %}
{% block a %}{% endblock %}{% block a %}{% endblock %}
{% set v = 1 %}{% block d %}{{ v }}{% set v = 2 %}{% endblock %}{{ v }}
{{ self.nosuch() }}
{% print 1, 'a' %} {% print n %}
{% generation %}x{{ n }}{% set gg = 1 %}{% endgeneration %}{{ gg is defined }}
{% trans %}x{% endtrans %}
{% unknown %}
{% if %}{% endif %}
{% endif %}
{% for %}{% endfor %}
{% for x in l %}
{% if true %}
{{ 1
{{ }}
{% %}
{{ 'abc }}
{{ (1 }}
{{ [1, 2 }}
{{ {'a' 1} }}
{{ 1 2 }}
{{ a b }}
{{ ) }}
{{ l[ }}
{{ 1 +  }}
{{ |upper }}
{{ s| }}
{{ s is }}
{{ 'a' if }}
{{ f(a=1, 2) }}
{{ dict(a=1, a=2) }}
{{ x = 1 }}
{{ $ }}
{{ n; }}
""",
    "loops": """
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}
{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{{ loop }}{% endfor %}
{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %} {% for i in [1, 1] %}{{ loop.changed(i, 2) }}{% endfor %}{% for i in [1, 2] %}{{ loop.changed() }}{% endfor %}
{% for i in l %}{{ loop.cycle() }}{% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %} {% for i in l if i > 5 %}x{% else %}none{% endfor %} {% for i in l if i > 1 %}{{ i }}{{ loop.index }}{{ loop.length }}{% endfor %}
{% for k in d %}{{ k }}{% endfor %} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %} {% for c in 'héy' %}{{ c }}.{% endfor %} {% for a, b in [[1, 2], (3, 4)] %}{{ a }}{{ b }}{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for a, in [[1]] %}{{ a }}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in none %}{% endfor %}
{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %} {% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %} {% for i in l %}{% for j in l %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %} {% for i in l %}{% break %}{% else %}e{% endfor %}|
{% break %}
{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% set x = 0 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }} {% if true %}{% set y = 1 %}{% endif %}{{ y }} {% for i in l %}{{ z is defined }}{% set z = i %}{{ z }}{% endfor %} {% for i in l %}{% if loop.first %}{% set a = 1 %}{% endif %}{{ a is defined }}{% endfor %}
{% for item in tree recursive %}{{ item.v }}{{ loop.depth }}{% if item.c %}({{ loop(item.c) }}){% endif %}{% endfor %} {% for i in [[1, [2]], [3]] recursive %}{% if i is iterable %}<{{ loop(i) }}>{% else %}{{ i }}{{ loop.depth0 }}{% endif %}{% endfor %} {% for i in l recursive %}{{ loop.index }}{% else %}e{% endfor %} {% for i in [1] recursive %}[{{ loop([]) }}]{% else %}e{% endfor %}
{% for i in l %}{{ loop(l) }}{% endfor %}
{% for i in tree if i.v > 1 recursive %}{{ i.v }}{{ loop(i.c) }}{% endfor %}
{% for i in l %}{% set outer = loop %}{% for j in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %} {% for i in l %}{{ loop.index }}{% for j in l %}{% endfor %}{{ loop.index }}{% endfor %} {{ loop is defined }}
{% for i in l|map('string') %}{{ i }}{{ loop.last }}{{ loop.length }}{% endfor %} {% for i in range(3)|reverse %}{{ i }}{% endfor %} {% for x in d.values() %}{{ x }}{% endfor %} {% for i, x in [[0, 'a']] %}{{ i }}{{ x }}{% endfor %} {% for a in (1, 2) %}{{ a }}{% endfor %} {% for a in 1, 2, %}{{ a }}{% endfor %}
{% set it = l|map('string') %}{{ it|list }}{{ it|list }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (a, b) = [3, 4] %}{{ a }}{{ b }} {% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }} {% set a = 1, %}{{ a }} {% set a = 1 if false %}{{ a is defined }} {% set a = b = 1 %}
{% set a, b = 1 %}
{% set a, b = [1] %}
{% set true = 1 %}
{% set x %}a{{ n }}b{% endset %}{{ x }} {% set x | upper %}abc{% endset %}{{ x }} {% set x | replace('a', 'b') | upper %}aaa{% endset %}{{ x }} {% set x %}{% set y5 = 1 %}{% endset %}{{ y5 is defined }}{{ x is string }} {% set ns = namespace() %}{% set ns.t %}T{% endset %}{{ ns.t }} {% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %} {% if missing %}a{% elif nil %}b{% else %}c{% endif %} {% if l and d %}y{% endif %} {% if not missing is defined %}u{% endif %} {% if 'x' in 'xyz' and not false %}t{% endif %} {% if (1 if false) %}{% else %}f{% endif %} {% if 1, 2 %}t{% endif %}
{% if a if b else c %}{% endif %}
{% for x in l if x is odd %}{{ x }}{% endfor %} {% for x in (l if true else []) %}{{ x }}{% endfor %} {% for m in messages if m.role != 'system' %}{{ m.role }}{% endfor %} {% for x in l[1:] %}{{ x }}{% endfor %} {% for x in l + [9] %}{{ x }}{% endfor %}
{% for loop in l %}{{ loop }}{% endfor %}
{% for x in l %}{{ x }}{% endfor x %}
{% for if in l %}{{ if }}{% endfor %}
{% set ns = namespace(n=0) %}{% for i in range(4) %}{% for j in range(i) %}{% set ns.n = ns.n + j %}{% endfor %}{% endfor %}{{ ns.n }}
""",
}  # fmt: skip

# White space: each is one template, with its line breaks.
SPACES = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a {%- if true -%} b {%- endif -%} c", "a\n{%+ if true %}\nb{% endif +%}\nc",
    "  {% if true %}x{% endif %}  \n", "\t{% set x = 1 %}\n\t{{ x }}\n", "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r\n", "{{ n }}\n", "{{ n }}\n\n",
    "{{- n -}}  x  {{- n }}", "x {# c #} y", "x {#- c -#} y", "  {# c #}\ny", "  {#+ c +#}\ny", "{# a {{ b }} #}z", "{{ n -}}\n\n  x", "a\n\n{%- set x = 1 %}\nb",
    "{% if true -%}\n\n x\n{%- endif %}", "{%+ set x = 1 +%} y", "   {%+ set x = 1 %}y", "a{% set x = 1 %}\n\nb", "{{ '{{' }} {{ '%}' }} {{ \"}}\" }}", "{ {n} } {{n}}{%if n%}y{%endif%}",
    "{{n}}}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {}} }}", "{%- for x in l %}\n{{ x }}\n{%- endfor %}\n", "{% for x in l -%}\n  {{ x }}\n{% endfor %}", "x\u00a0{%- if true %}y{% endif %}",
    "x\n\u2003{% if true %}y{% endif %}", "\n{% if true %}\n\n{% endif %}\n", "a #{{ n }}# b", "{{ n\n}}\n{% if\nn %}x{% endif %}", "   {{ n }}", "x\n   {{ n }}\n", "  {% raw %}\n a {% endraw %}\n b", "a\n  {%- raw %} b {% endraw -%}\n c",
    "{{ n }}{# unclosed", "{% if true %}", "{{ n", "{%", "{{", "{#", "}}", "%}", "#}", "{", "{% raw %}", "{% raw -%} ", "{% raw %}x", "{#-", "{# ", "", "\n", "\n\n", " ", "{{ '\n' }}", "{{ 'a\r\nb' }}", "# x\n## y", "-- {{ n }}", "{{n}}{{m}}", "{%if n%}{%elif m%}{%else%}{%endif%}",
    "{%- set x -%}  a  {%- endset -%}  {{ x }}|", "{% macro m() -%}  a  {%- endmacro %}{{ m() }}|", "{% call(x) m() %}", "{% generation %}\n a {%- endgeneration %}\n b", "   {%- generation -%}  a {% endgeneration %}\n b",
]  # fmt: skip

# The shapes of real chat templates.
CHATS = """
{% for message in messages %}<|im_start|>{{ message['role'] }}⏎{{ message['content'] }}<|im_end|>⏎{% endfor %}
{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content']|trim %}{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}{{ system }}|{% for m in rest %}{{ m.role }}{{ loop.index0 % 2 == 0 }}{% endfor %}
{%- set ns = namespace(found=false, last=messages|length - 1) -%}{%- for message in messages[::-1] -%}{%- set index = (messages|length - 1) - loop.index0 -%}{%- if not ns.found and message.role == "user" and message.content is string -%}{%- set ns.found = true -%}{%- set ns.last = index -%}{%- endif -%}{%- endfor -%}{{ ns.last }}
{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls is not none %}{% for t in m.tool_calls %}{"name": "{{ t.function.name }}", "arguments": {{ t.function.arguments|tojson }}}{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}
{% if tools is defined and tools %}{{ '# Tools' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}
{% if tools is iterable and tools | length > 0 %}{{ tools | tojson(indent=4) }}{% endif %}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}{{ date_string }}
{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% endfor %}
{{ bos_token if bos_token is defined else '' }}{{ (messages|selectattr('role', 'equalto', 'user')|list)[-1].content }}
{% macro render(t) %}{%- if t is string -%}{{ t }}{%- elif t is mapping -%}{% for k, v in t.items() %}{{ k }}: {{ render(v) }};{% endfor %}{%- elif t is iterable -%}[{% for x in t %}{{ render(x) }}{% if not loop.last %}, {% endif %}{% endfor %}]{%- else -%}{{ t }}{%- endif -%}{% endmacro %}{{ render(tools[0]) }}
{% macro type(t) %}{%- if t is sequence and t is not string -%}{{ t | join(' | ') }}{%- else -%}{{ t }}{%- endif -%}{% endmacro %}{% for name, p in tools[0].function.parameters.properties.items() %}{{ name }}: {{ type(p.type) }}{{ '?' if name not in tools[0].function.parameters.required }}{% endfor %}
{%- for m in messages %}{%- if m.role == 'assistant' %}{{ '<think>' + m.content.split('</think>')[-1].lstrip('\\n') }}{%- endif %}{%- endfor %}
{% set content = 'a</think>\\n\\nb' %}{% if '</think>' in content %}{{ content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}|{{ content.split('</think>')[-1].lstrip('\\n') }}{% endif %}
{{ messages | map(attribute='role') | join(', ') }} {{ messages | map(attribute='content') | select('string') | map('length') | sum }}
{% for m in messages if m.role in ['user', 'tool'] %}{{ loop.index }}/{{ loop.length }} {{ m.content|trim }}{{ "\\n" if not loop.last }}{% endfor %}
{{ dict(messages[0], extra=1) }} {{ messages[0].items()|list }} {{ messages[-1]['content']|length }} {{ messages|length % 2 }} {{ messages[2].get('tool_calls', [])[0]['function']['name'] }} {{ messages[1].get('tool_calls', 'none') }}
{% set d2 = dict(a=1) %}{% set d2 = dict(d2, **{'b': 2}) %}{{ d2 }} {% set x = messages | first %}{{ x.role }} {% set y = messages | last %}{{ y.role }} {{ (messages | last).role == 'tool' }} {{ messages[-1].role ~ ':' ~ messages[-1].content }}
{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = 'BOS' + content %}{% endif %}{{ content }}{% endfor %}
{% if add_generation_prompt | default(false) %}x{% else %}y{% endif %} {{ enable_thinking is defined and enable_thinking is false }} {{ (tools or []) | length }} {{ documents is not defined }} {% if not (tools is none) and tools | length %}t{% endif %}
{{ '%s: %s' | format(messages[0].role, messages[0].content) }} {{ 'a' if messages[0].content is string else 'b' }} {{ messages[0].content | replace('Be', 'Is') | upper }} {{ messages[0]['content'].split(' ') | length }} {{ tools | map(attribute='function.name') | list }} {{ tools | map(attribute='function') | map(attribute='name') | join('|') }}
""".strip("\n")  # fmt: skip


def render(template):
    """The text of a template, or the name of what it fails with."""
    try:
        # A copy: `indent` of a list adds to the list itself before it fails.
        return {"output": _compile_jinja_template(template).render(**copy.deepcopy(DATA))}
    except Exception as error:  # noqa: BLE001: whatever fails there is to fail here
        return {"fails": type(error).__name__}


def cases():
    for name in PLAIN_FILTERS:
        for value in VALUES:
            yield "filter " + name, "{{ " + f"({value})|{name}" + " }}"
    for name in PLAIN_TESTS:
        yield "test " + name, " ".join("{{ " + f"({value}) is {name}" + " }}" for value in VALUES if name not in ("odd", "even"))
        if name in ("odd", "even"):
            for value in VALUES:
                yield "test " + name, "{{ " + f"({value}) is {name}" + " }}"
    for group, text in TEMPLATES.items():
        for line in text.strip("\n").split("\n"):
            for part in separate(line):
                yield group, broken(part)
    for template in SPACES:
        yield "spaces", template
    for template in CHATS.split("\n"):
        yield "chats", broken(template)


def broken(template):
    """A line of the lists above as a template: with its line breaks and its backslashes."""
    return template.replace("⏎", "\n").replace("\\\\", "\\")


def separate(line):
    """The templates of a line, one for each output and each statement: where one fails, the others still count."""
    if "{%" not in line:
        return re.findall(r"\{\{.*?\}\}(?!\})[|]?", line) or [line]
    parts, start, depth = [], 0, 0
    for tag in re.finditer(r"\{%[-+]?\s*(\w*)(.*?)%\}", line):
        name, rest = tag.groups()
        opens = name in ("if", "for", "macro", "call", "filter", "with", "raw", "block", "generation", "autoescape")
        depth += opens or (name == "set" and "=" not in rest)
        depth -= name.startswith("end")
        if depth == 0 and line[tag.end() : tag.end() + 3] == " {%" and name.startswith("end"):
            parts.append(line[start : tag.end()])
            start = tag.end() + 1
    return parts + [line[start:]]


def main():
    golden = []
    for group, template in cases():
        outcome = render(template)
        # An address, which differs in every run, or a random text.
        if re.search(r"0x[0-9a-f]{6,}|<generator", outcome.get("output", "")) or "random" in template:
            outcome = {"fails": "Address"}
        golden.append({"group": group, "template": template, **outcome})
    path = Path(__file__).with_name("jinja.json")
    path.write_text(json.dumps({"variables": DATA, "cases": golden}, ensure_ascii=True, indent=0) + "\n")
    print(len(golden), "cases,", sum("fails" in case for case in golden), "fail,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
