"""Goldens for prompts whose text begins with the token that the tokenizer puts before every text (`bos.json`).

Run in this folder:  pip install transformers tokenizers jinja2 && python bos_golden.py
The tokenizer is that of `llama3`, whose post-processor adds <|begin_of_text|>.
"""

import json
import os

from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
TEMPLATES = {"template adds it": "{{ bos_token }}" + TURNS, "template leaves it out": TURNS}
CONVERSATIONS = [
    [{"role": "user", "content": "What is 12 + 30?"}],
    [
        {"role": "system", "content": "Größe über alles"},
        {"role": "user", "content": "def f(x):\n    return x"},
        {"role": "assistant", "content": "42"},
        {"role": "user", "content": "And <|begin_of_text|> twice that?"},
    ],
]

cases = []
for name, template in TEMPLATES.items():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=os.path.join(HERE, "llama3", "tokenizer.json"),
        bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", chat_template=template,
    )
    for messages in CONVERSATIONS:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        chat = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        cases.append({
            "name": name, "template": template, "messages": messages, "text": text,
            # What training and sampling must see.
            "chat": list(chat["input_ids"]),
            # The same text through the tokenizer, without and with its special tokens.
            "without": tokenizer(text, add_special_tokens=False)["input_ids"],
            "with": tokenizer(text)["input_ids"],
        })

with open(os.path.join(HERE, "bos.json"), "w") as file:
    json.dump(cases, file, ensure_ascii=False, indent=1)
    file.write("\n")
