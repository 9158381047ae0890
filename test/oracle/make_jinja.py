"""What transformers renders: python test/oracle/make_jinja.py [TEMPLATE.jinja ...] > test/oracle/jinja.json

Needs transformers and jinja2.  Without arguments the templates below, which are small and made for this, each with the
variables it is given; with arguments every named template over conversations that templates differ on.  A row: name,
template, vars, and either output (with the spans of generation blocks, in characters) or error."""
import json, sys
from transformers.utils import chat_template_utils as hf

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "  What is 2+2? "},
        {"role": "assistant", "content": "4"}, {"role": "user", "content": "Naïve “café” 中😀\nline two"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a place",
          "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "a \"city\""},
          "days": {"type": "integer", "default": 3}}, "required": ["city"]}}}]
CALL = [{"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "call_1abcdefg", "function":
         {"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}}]},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_1abcdefg", "content": "{\"temp\": 3.5}"},
        {"role": "assistant", "content": "Cold."}]
VALUES = {"n": 7, "x": 2.5, "big": 1e22, "small": 1e-7, "whole": 3.0, "neg": -7, "t": True, "f": False, "none": None,
          "s": "Hello, World", "u": "éÀ中😀ß", "empty": "", "list": [3, 1, 2], "words": ["b", "A", "c", "a"],
          "d": {"b": 1, "a": [1, "two", None, True, 2.0], "c": {"k": "v's \"q\""}}, "deep": [[1, 2], [3]],
          "rows": [{"n": "x", "v": 2, "on": True}, {"n": "y", "v": 1, "on": False}, {"n": "z", "v": 3}],
          "html": "<a href='x'>&\"</a>", "spaces": " \t\n a b \u00a0 ", "lines": "one\n\n  two\nthree"}
# white space around tags
SPACE = [
    "a\n{% if t %}\nb\n{% endif %}\nc\n",
    "  {% if t %}\n  b\n  {% endif %}\n  c\n\n",
    "a {%- if t %} b {% endif -%} c",
    "a\n  {%+ if t %}\nb\n{% endif +%}\nc",
    "x {{- n -}} y",
    "x\n{{ n }}\ny\n",
    "{# c #}\na {# c -#} b\n  {# c #}\nc",
    "{% raw %}{{ no }} {% no %}{% endraw %}x\n{% raw -%}  {{ n }}\n{%- endraw %}",
    "{{ '{{' }}{{ \"}}\" }}",
    "a\n\n{%- for i in list %}\n\n{{ i }}\n{%- endfor %}\nz",
    "\n\n{% set q = 1 %}\n\n{{ q }}",
    "tab\t{% if t %}x{% endif %}",
    "{{ {'a': {'b': 1}} }}|{{ {'a': {'b': 2}}['a']['b'] }}",
    "{% if t %}\r\nx{% endif %}",
    "{{n}}{{x}}",
    "",
]
EXPRESSIONS = """n + 1
n - 10; n * x; n / 2; n // 2; neg // 2; neg % 3; n % 3; 2 ** 3; 2 ** -1; x ** 2; -n; +n; - - n; -x; n ~ s
x ~ none ~ t; 1 + 2 * 3; (1 + 2) * 3; 2 * 3 ~ 4; 1 ~ (2 + 3); 'a' 'b' "c"; "a\\n\\t\\x41\\u00e9\\q\\\\"; 1_000
1e3; 1.5e-3; 0.1 + 0.2; big; small; whole; 1e16; 123456789012345678; 1e15; t and f; t or f; not t; not not t
n and s; empty or 'else'; none or 0; 0 and missing.x; s if t; s if f; s if f else n; 1 if f else 2 if f else 3
n == 7; n == 7.0; t == 1; s != 'x'; 1 < 2 < 3; 1 < 3 < 2; 'a' < 'b'; [1, 2] < [1, 3]; 2 in list; 9 not in list
'ell' in s; 'b' in d; none in list; not 2 in list; list; words; d; deep; rows; t; none; [1, [2, 3], 'x']; []; {}
{'a': 1, 2: 'b'}; [none, true, False]; "it's"; ["it's"]; ['say "x"']; ['a\\nb', 'é']; s[0]; s[-1]; s[99]; u[2]
list[0]; list[-1]; list[9]; d['a'][1]; d.a[0]; d['zz']; d.zz; list.0; s[1:4]; s[:-1]; s[::-1]; u[1:3]; list[1:]
list[::-1]; list[::2]; list[5:1:-2]; list[:]; s[-3:]; s[none:2]; words[1:99]; list[-2:]; list[:-9]; list[9:]
s.upper(); s.lower(); s.split(', '); s.split(); 'a  b c'.split(); 'a b c'.split(' ', 1); 'a,b,c'.rsplit(',', 1)
' x '.strip(); 'xxaxx'.strip('x'); 'ab'.lstrip('a'); 'ab'.rstrip('b'); s.startswith('He')
s.endswith(('x', 'd')); s.replace('l', 'L'); s.replace('l', 'L', 1); s.find('o'); s.find('zz'); s.title()
'hELLO wORLD'.capitalize(); 'a\\nb\\r\\nc\\n'.splitlines(); ','.join(words); s.count('l'); '12'.isdigit()
'abc'.removeprefix('a'); 'abc'.removesuffix('c'); 'aaa'.replace('', '-'); 'aaa'.replace('', '-', 2)
''.replace('', '-'); d.get('b'); d.get('zz'); d.get('zz', 5); list.index(1); d.keys() | list; d.values() | list
d.items() | list | length; list.count(1); d.b; s | length; u | length; list | count; d | length
missing | length; s | upper; s | lower; u | upper; u | lower; 'abc def' | title; 'ABC' | capitalize
spaces | trim; '--x-' | trim('-'); n | string; x | string; none | string; missing | default('d')
empty | default('d'); empty | default('d', true); none | default('d'); missing | d(1); s | default('d')
words | join; words | join(', '); rows | join('-', attribute='n'); list | join(''); words | sort
words | sort(case_sensitive=true); list | sort(reverse=true)
rows | sort(attribute='v') | map(attribute='n') | join
{'b': 1, 'a': 2} | dictsort(reverse=true) | join(',', attribute=0)
{'b': 1, 'a': 2} | dictsort(by='value') | join(',', attribute='0'); words | unique | list
[1, 1.0, 2, 2] | unique | list; ['a', 'A', 'b'] | unique | join; list | first; list | last; [] | first
s | first; list | reverse | list; s | reverse; list | sum; rows | sum(attribute='v'); list | min; list | max
words | min; (rows | max(attribute='v')).n; rows | map(attribute='n') | list
rows | map(attribute='on', default='?') | list; words | map('upper') | list
words | map('replace', 'a', 'b') | join; list | map('string') | list
rows | selectattr('on') | map(attribute='n') | list
rows | selectattr('on', 'defined') | map(attribute='n') | list
rows | selectattr('v', 'gt', 1) | map(attribute='n') | list; rows | rejectattr('on') | map(attribute='n') | list
rows | selectattr('n', 'equalto', 'y') | list; rows | selectattr('v', 'in', [1, 3]) | list | length
list | select('odd') | list; list | reject('odd') | list; [0, 1, '', 'x', none] | select | list
[1, none, 2] | reject('none') | list; '7' | int; 'x' | int; 'x' | int(5); 3.9 | int; '2.5' | float; 'zz' | float
n | float; neg | abs; 2.567 | round(2); 2.5 | round; 3.2 | round(method='ceil'); 1.9 | round(method='floor')
t | int; d | tojson; rows | tojson; s | tojson; html | tojson; u | tojson; none | tojson; big | tojson
whole | tojson; d | tojson(indent=2); [] | tojson(indent=2); {} | tojson(indent=4); [[], {}] | tojson(indent=1)
d | tojson(sort_keys=true); d | tojson(separators=(',', ':')); "a\\u0001\\n\\t\\\\" | tojson
{1: 2, true: 3} | tojson; missing | tojson; html | e; html | escape; html | safe; lines | indent
lines | indent(2, true); lines | indent(2, first=true, blank=true); lines | indent('> ')
'a' | replace('a', 'b'); 'aXbX' | replace('X', '', 1); none | selectattr("a") | list; none | map("upper") | list
html + "<" | safe; (html | e) + "&"; (html | safe) ~ "<"; html | e | e; ("a" | safe) + "<" + html
missing | items | list; n is odd; n is even; n is number
x is float; n is integer; s is string; list is sequence; list is iterable; d is mapping; s is mapping
s is iterable; none is none; missing is defined; missing is undefined; n is defined; n is not none; t is boolean
t is true; f is false; n is true; n is divisibleby 7; n is divisibleby(2); n is eq 7; n is equalto(8); n is gt 3
n is lt(3); 2 is in list; n is sameas 7; s is lower; 'abc' is lower; 'ABC' is upper; n is ge 7; n is le 6
n is ne 7; range(3) | list; range(1, 7, 2) | list; range(3, 0, -1) | list; dict(a=1, b=2); namespace(a=3).a
missing; missing is defined and missing.x; d.zz is defined; d.c.k; not missing; missing == none; missing in list
[missing] | length; n if n > 5 else 'small'; (n > 5) and s; s ~ '!' if t else ''; -n | abs; -1 | abs
2 * x | round; not n is odd; n not in list and t; s | length > 3; [s | upper, n]; {'k': s | lower}.k
(s | upper)[0]; s | upper | lower; words | join(',') | upper; 'a' ~ 1 + 2; n is string or n is number; -2 ** 2
2 * 3 % 4; 10 - 2 - 3; 'a' if 0 else 'b' ~ 'c'; not 1 == 2; [1, 2] + [3]; 'ab' * 3; 2 * 'x'
'x' in ['x'] and 'y' not in 'xy' or 'z'"""
STATEMENTS = [
    "{% if n > 10 %}a{% elif n > 5 %}b{% elif t %}c{% else %}d{% endif %}",
    "{% for i in [] %}x{% else %}none{% endfor %}",
    "{% for i in list %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.firs"
    "t }}/{{ loop.last }}/{{ loop.length }}/{{ loop.depth }};{% endfor %}",
    "{% for i in list %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }},{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for c in u %}{{ c }}.{% endfor %}",
    "{% for i in list if i > 1 %}{{ i }}@{{ loop.index }} {% endfor %}",
    "{% for i in missing %}x{% endfor %}ok",
    "{% for i in list %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in list %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in deep %}{% for j in i %}{{ loop.index }}{{ j }}{% break %}{% endfor %}|{% endfor %}",
    "{% for i in list %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{% endfor %}",
    "{% set a = 1 %}{% for i in list %}{% set a = a + i %}{{ a }} {% endfor %}{{ a }}",
    "{% set ns = namespace(a=1) %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% set a, b = 1, 2 %}{{ b }}{{ a }}",
    "{% set a %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a | upper | trim %}  x {% endset %}[{{ a }}]",
    "{% if t %}{% set z = 5 %}{% endif %}{{ z }}",
    "{% macro m(a, b='B', c=none) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }"
    "}{{ m() }}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
    "{% set g = 'G' %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 'H' %}{{ m() }}",
    "{% macro m(a) %}{{ a | upper }}{% endmacro %}{{ m('x') | length }}{{ m('q') ~ 'z' }}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aXa{% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{{ raise_exception('no ' ~ n) }}",
    "{% if t %}{{ missing.x }}{% endif %}",
    "{{ missing.x.y }}",
    "{{ n.foo }}{{ n.foo is defined }}",
    "{{ s + n }}",
    "{{ missing + 1 }}",
    "{{ list | nofilter }}",
    "{{ n is notest }}",
    "{{ 1 / 0 }}",
    "{% for %}",
    "{% if n %}",
    "{{ n",
    "{% endfor %}",
    "{{ s.nomethod() }}",
    "{{ nofunction() }}",
    "{% for i in n %}{% endfor %}",
    "{{ (1, 2 }}",
    "{{ 'open }}",
    "{# open",
    "{% unknown %}",
    "{{ strftime_now('%Y') | length }}",
    "{{ d.items() | length }}{{ d['items'] is defined }}",
    "{{ {'items': 3}.items is callable }}",
    "{{ {'items': 3}['items'] }}",
    "{% set messages = messages[1:] %}{{ messages | length }}",
    "{%- set ns = namespace(found=false, x='') -%}{%- for m in messages -%}{%- if m.role == 'user' and not ns.fo"
    "und -%}{%- set ns.found = true -%}{%- set ns.x = m['content'] | trim -%}{%- endif -%}{%- endfor -%}{{ ns.x "
    "}}",
]
TEMPLATES = {
    "chatml":
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_en"
        "d|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "turns":
        "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_"
        "exception('turns must alternate') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] "
        "| trim + ' [/INST]' }}{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %"
        "}",
    "masked":
        "{%- for m in messages %}\n  {%- if m.role == 'assistant' %}\n    {{- '<a>' }}\n    {%- generation %}\n "
        "   {{- m.content + '</s>' }}\n    {%- endgeneration %}\n  {%- else %}\n    {{- '<' ~ m.role ~ '>' ~ m.c"
        "ontent }}\n  {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}{{- '<a>' }}{% endif %}\n",
    "tools":
        "{%- if tools %}\n{{- '# Tools\n' }}\n{%- for tool in tools %}\n{{- tool | tojson }}\n{{- '\n' ~ tool.fu"
        "nction.name ~ '(' }}\n{%- for name, p in tool.function.parameters.properties | dictsort %}\n{{- name ~ "
        "': ' ~ p.type ~ ('?' if name not in tool.function.parameters.required) ~ (', ' if not loop.last) }}\n{%"
        "- endfor %}\n{{- ')\n' }}\n{%- endfor %}\n{%- endif %}\n{%- for m in messages %}\n{%- if m.tool_calls i"
        "s defined and m.tool_calls %}\n{%- for c in m.tool_calls %}\n{{- '<call>' ~ ({'name': c.function.name, "
        "'arguments': c.function.arguments} | tojson) ~ '</call>' }}\n{%- endfor %}\n{%- elif m.role == 'tool' %"
        "}\n{{- '<result>' ~ m.content ~ '</result>' }}\n{%- else %}\n{{- m.role ~ ': ' ~ m.content ~ '\n' }}\n{"
        "%- endif %}\n{%- endfor %}\n",
}


CONVERSATIONS = [
    ("chat", CHAT, {}), ("no system", CHAT[1:], {}), ("call", CALL, {"tools": TOOLS}), ("one", CHAT[1:2], {}),
    ("odd", CHAT[2:], {}), ("tools", CHAT, {"tools": TOOLS}), ("bare call", CALL, {}),
    ("think", CHAT[:2], {"enable_thinking": False}),
]


def row(name, template, variables, render):
    r = {"name": name, "template": template, "vars": variables}
    try:
        r.update(render())
    except Exception as e:
        r["error"] = type(e).__name__
    return r


def plain(name, template):
    render = lambda: {"output": hf._compile_jinja_template(template).render(**VALUES, messages=CHAT)}
    return row(name, template, "values", render)


def chats(name, template, conversations):
    for what, messages, more in conversations:
        for prompt in (False, True):
            variables = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": prompt,
                         "bos_token": "<s>", "eos_token": "</s>", **more}

            def render():
                v = dict(variables)
                texts, spans = hf.render_jinja_template([v.pop("messages")], chat_template=template,
                                                        return_assistant_tokens_mask=True, **v)
                return {"output": texts[0], "spans": [list(s) for s in spans[0]]}
            yield row(f"{name} {what} {prompt}", template, variables, render)


def main():
    rows = []
    for path in sys.argv[1:]:
        rows += chats(path.split("/")[-1], open(path, encoding="utf-8").read(), CONVERSATIONS)
    if not rows:
        rows += [plain(f"space {i}", t) for i, t in enumerate(SPACE)]
        rows += [plain(e.strip(), "{{ " + e.strip() + " }}") for e in EXPRESSIONS.replace("\n", "; ").split("; ")]
        rows += [plain(f"statement {i}", t) for i, t in enumerate(STATEMENTS)]
        for name, t in TEMPLATES.items(): rows += chats(name, t, CONVERSATIONS[:3])
    print('{"values":', json.dumps({**VALUES, "messages": CHAT}, ensure_ascii=False), ',\n"rows":[')
    print(",\n".join(json.dumps(r, ensure_ascii=False) for r in rows), "]}")


main()
