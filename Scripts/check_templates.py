"""Renders the chat templates of real models over conversations of every shape, by Apus and by transformers, and says which differ.

    VENV/bin/pip install transformers trl
    VENV/bin/python Scripts/check_templates.py --program Fuzzing/.build/release/RenderTemplates [FOLDER …]

The templates are those that TRL ships, and every *.jinja in the folders. What `{% generation %}` marks is compared too.
"""

import argparse
from pathlib import Path

import trl
from line_program import Program
from transformers.utils.chat_template_utils import render_jinja_template

TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds <two> numbers & more.", "parameters": {
    "type": "object", "properties": {"b": {"type": "integer", "description": "second"}, "a": {"type": ["number", "null"], "default": 1.0},
                                     "how": {"type": "string", "enum": ["fast", "slow"]}}, "required": ["b"]},
    "return": {"type": "number", "description": "the sum"}}}]  # fmt: skip
CALL = {"id": "call12345", "type": "function", "function": {"name": "add", "arguments": {"b": 2, "a": 1.0, "how": "fast"}}}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def answer(content, **more):
    return {"role": "assistant", "content": content, **more}


SYSTEM = {"role": "system", "content": "Be brief.\nAnd kind. "}
SUM = [user("What is 1 + 2?"), answer("", tool_calls=[CALL]), {"role": "tool", "name": "add", "tool_call_id": "call12345", "content": "3.0"}]
CONVERSATIONS = {
    "one turn": ([user("Hi")], {}),
    "asked": ([user("Hi")], {"add_generation_prompt": True}),
    "system": ([SYSTEM, user(" Hi \n")], {"add_generation_prompt": True}),
    "many turns": ([SYSTEM, user("a"), answer(" b "), user("c"), answer("d\n\ne"), user("f")], {"add_generation_prompt": True}),
    "ends with an answer": ([user("a"), answer("b"), user("c"), answer("d")], {}),
    "tools": ([user("What is 1 + 2?")], {"tools": TOOLS, "add_generation_prompt": True}),
    "tools and system": ([SYSTEM, user("What is 1 + 2?")], {"tools": TOOLS}),
    "a call": (SUM[:2], {"tools": TOOLS}),
    "a call and its answer": (SUM, {"tools": TOOLS, "add_generation_prompt": True}),
    "two calls": ([user("Add."), answer("Let me see.", tool_calls=[CALL, {**CALL, "id": "call67890"}]),
                   {"role": "tool", "tool_call_id": "call12345", "content": "3"}, {"role": "tool", "tool_call_id": "call67890", "content": "4"},
                   answer("7"), user("Thanks")], {"tools": TOOLS, "add_generation_prompt": True}),
    "call without tools": (SUM + [answer("It is 3.")], {}),
    "arguments as text": ([user("Add."), answer("", tool_calls=[{"type": "function", "function": {"name": "add", "arguments": '{"b": 2}'}}])], {"tools": TOOLS}),
    "thinking": ([user("a")], {"enable_thinking": True, "add_generation_prompt": True}),
    "no thinking": ([user("a"), answer("<think>\nhm\n</think>\n\nb"), user("c")], {"enable_thinking": False, "add_generation_prompt": True}),
    "thoughts": ([user("a"), answer("b", reasoning_content="hm", thinking="hm"), user("c"), answer("d", reasoning_content=" so ", thinking=" so ")], {}),
    "documents": ([user("a")], {"documents": [{"title": "T", "text": "one\ntwo", "contents": "x"}], "add_generation_prompt": True}),
    "parts": ([user([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]), answer([{"type": "text", "text": "three"}])], {"add_generation_prompt": True}),
    "parts with an image": ([user([{"type": "image"}, {"type": "text", "text": "What is it?"}])], {"add_generation_prompt": True}),
    "empty": ([user(""), answer("")], {"add_generation_prompt": True}),
    "none": ([user("a"), answer(None)], {}),
    "unicode": ([user("é\u00a0日本 👩‍👩‍👧 \u2028x\r\ny\t'\"<|im_end|>{{ a }}")], {"add_generation_prompt": True}),
    "wrong order": ([answer("a"), user("b"), user("c")], {}),
    "no user": ([SYSTEM], {"add_generation_prompt": True}),
    "other role": ([user("a"), {"role": "developer", "content": "b"}, {"role": "ipython", "content": "c"}], {}),
    "kept": ([user("a"), answer("b")], {"date_string": "1 Jan 2026", "reasoning_effort": "high", "xml_tools": TOOLS, "builtin_tools": ["code_interpreter"], "custom_tools": TOOLS}),
}  # fmt: skip
ROLES = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def reference(template, messages, variables):
    """The text and the characters that are marked as generated; the error's name where it fails."""
    variables = {"tools": None, "documents": None, "add_generation_prompt": False, **ROLES, **variables}
    named = {key: variables.pop(key) for key in ("tools", "documents", "add_generation_prompt")}
    marks = "generation %}" in template or "generation -%}" in template
    try:
        texts, indices = render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=marks, **named, **variables)
        return texts[0], indices[0] if marks else None
    except Exception as error:  # noqa: BLE001: whatever fails there is to fail here
        return None, type(error).__name__


def ours(program, template, messages, variables):
    variables = {"tools": None, "documents": None, "add_generation_prompt": False, **ROLES, **variables, "messages": messages}
    reply = program.answers([{"template": template, "variables": variables}])[0]
    if "parts" not in reply:
        return reply.get("output"), reply.get("error"), reply.get("code")
    marks, end = [], 0
    for part in reply["parts"]:
        marks += [(end, end + len(part["text"]))] if part["generated"] else []
        end += len(part["text"])
    return reply["output"], marks, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--program", required=True)
    options = parser.parse_args()
    program = Program(options.program)
    files = [file for folder in (Path(trl.__file__).parent / "chat_templates", *options.folders) for file in sorted(folder.glob("*.jinja"))]
    equal = failed = refused = marked = differ = 0
    for file in files:
        template = file.read_text()
        for name, (messages, variables) in CONVERSATIONS.items():
            wanted, wanted_marks = reference(template, messages, variables)
            found, marks, code = ours(program, template, messages, variables)
            if code in ("templateUnsupported", "templateLimit"):
                refused += 1
                print("refused", file.name, name, marks)
            elif wanted is None and found is None:
                failed += 1
            elif wanted == found and (wanted_marks is None or [tuple(mark) for mark in wanted_marks if mark[0] != mark[1]] == marks):
                equal += 1
                marked += wanted_marks is not None
            else:
                differ += 1
                print("DIFFERS", file.name, "|", name, "\n  transformers:", repr(wanted)[:400], wanted_marks, "\n  apus:        ", repr(found)[:400], marks)
    print(f"{len(files)} templates x {len(CONVERSATIONS)} conversations: {equal} equal ({marked} with what is marked), {failed} fail in both, {refused} refused, {differ} differ")


if __name__ == "__main__":
    main()
