"""GSM8K's worked solutions in the form that Recipes/gsm8k.yaml asks for, for a short supervised beginning."""

import re


def demonstration(row):
    """The working without the calculator's marks, then the answer, each in its tags."""
    working, answer = row["answer"].rsplit("####", 1)
    working = re.sub(r"<<[^>]*>>", "", working).strip()
    return {"completion": f"<reasoning>\n{working}\n</reasoning>\n<answer>\n{answer.strip()}\n</answer>"}


def is_demonstrated(row, index):
    """120 of the 7,473 rows: enough to learn the form by, and to keep the working."""
    return index >= 7353
