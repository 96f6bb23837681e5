"""Goldens for conversations with more than role and content, rendered as `transformers` does.

Run in this folder:  pip install transformers jinja2 && python conversations_golden.py
Writes conversations.json: tools and their calls, reasoning under its three names, contents of parts, variables of the
template, and conversations whose last turn is continued.
"""

import json
import os

from transformers.utils.chat_template_utils import render_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
    "type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "number", "default": 1.0}}}}}]
CALL = {"role": "assistant", "content": "Let me see.", "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"b": 2, "a": 1.0, "big": 2**70}}}]}
PARTS = """{%- for m in messages %}{{ m.role }}:
{%- if m.content is string %}{{ m.content }}
{%- else %}{% for p in m.content %}{{ p.text if p.type == 'text' else '?' }}{% endfor %}{% endif %};
{%- endfor %}{% if add_generation_prompt %}assistant:{% endif %}"""
THINKING = """{%- for m in messages %}<{{ m['role'] }}>
{%- if m.reasoning_content is defined and m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}
{%- if m.thinking is defined %}[{{ m.thinking }}]{% endif %}{{ m['content'] | trim }}</s>
{% endfor %}{% if add_generation_prompt %}<assistant>{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}
{%- if reasoning_effort is defined %}effort={{ reasoning_effort }}{% endif %}{% endif %}"""


def source(name):
    with open(os.path.join(HERE, "templates", name)) as file:
        return file.read()


def user(content, **more):
    return {"role": "user", "content": content, **more}


def answer(content, **more):
    return {"role": "assistant", "content": content, **more}


CASES = [
    (source(name), messages, variables)
    for name in ("qwen2.5.jinja", "llama3.1-like.jinja", "smollm2.jinja")
    for messages, variables in [
        ([user("What is 1 + 2?")], {"tools": TOOLS}),
        ([user("What is 1 + 2?"), CALL, {"role": "tool", "name": "add", "tool_call_id": "c1", "content": "3"}],
         {"tools": TOOLS}),
        ([user("What is 1 + 2?"), answer("It is")], {}),
        ([user("What is 1 + 2?"), answer("It is ")], {}),
        ([user("What is 1 + 2?"), answer("  <think>\n")], {}),
        ([user("a"), answer("b"), user("c"), answer("b")], {}),
    ]
] + [
    (THINKING, [user("Hi"), answer("Hello", reasoning_content="greet"), user("And?")], {"enable_thinking": False}),
    (THINKING, [user("Hi"), answer("Hello", reasoning="greet"), user("And?")], {"reasoning_effort": "low"}),
    (THINKING, [user("Hi"), answer("Hello", thinking="greet")], {}),
    (THINKING, [user("Hi"), answer(" Hello  ")], {}),
    (PARTS, [user([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}])], {}),
    (PARTS, [user([{"type": "text", "text": "one "}]), answer([{"type": "text", "text": "It"}])], {}),
]


def main():
    rows = []
    for template, messages, variables in CASES:
        variables = {"date_string": "5 May 2025", **variables} if "date_string" in template else dict(variables)
        given = json.loads(json.dumps({"messages": messages, "variables": variables}))
        continued = messages[-1]["role"] == "assistant"
        tools = variables.pop("tools", None)
        row = {"template": template, **given}
        try:
            rendered, _ = render_jinja_template(
                conversations=[json.loads(json.dumps(messages))], tools=tools, chat_template=template,
                continue_final_message=continued, add_generation_prompt=not continued, bos_token="<s>", eos_token="</s>",
                **variables)
            row["text"] = rendered[0]
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"[:200]
        rows.append(row)
    with open(os.path.join(HERE, "conversations.json"), "w") as file:
        json.dump(rows, file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(len(rows), "cases,", sum("error" in row for row in rows), "refused")


if __name__ == "__main__":
    main()
