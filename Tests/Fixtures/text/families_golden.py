"""Writes families.json: chat templates of real families over conversations of every shape, as transformers renders them.

    VENV/bin/python Tests/Fixtures/text/families_golden.py

The templates are copied from TRL (Apache-2.0), of models under Apache-2.0 or MIT. Scripts/check_templates.py, which makes the
conversations, checks all that TRL ships.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "Scripts"))

import trl  # noqa: E402
from check_templates import CONVERSATIONS, ROLES, reference  # noqa: E402

NAMES = ["qwen2_5_training", "qwen3", "qwen3_training", "phi3", "deepseek_r1_distill_training", "gptoss", "glm4moe"]


def main():
    cases = []
    for name in NAMES:
        template = (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text()
        (HERE / "templates" / f"{name}.jinja").write_text(template)
        for title, (messages, variables) in CONVERSATIONS.items():
            text, marks = reference(template, messages, variables)
            known = {"tools": None, "documents": None, "add_generation_prompt": False, **ROLES, **variables, "messages": messages}
            case = {"file": f"{name}.jinja", "name": title, "variables": known}
            cases.append(case | ({"fails": marks} if text is None else {"text": text, "generated": marks and [text[a:b] for a, b in marks]}))
    # gpt-oss writes the date of the day.
    cases = [case for case in cases if "Current date" not in case.get("text", "")]
    (HERE / "families.json").write_text(json.dumps(cases, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
