"""Makes trl_grpo_config.json: every key that a configuration file of `trl grpo --config` may hold.

Needs trl (pip install trl==1.16.0) and what it imports. The keys are read from the dataclasses themselves: GRPOConfig with
transformers' TrainingArguments below it, ModelConfig, ScriptArguments, DatasetMixtureConfig, and the command's own arguments.

    python trl_grpo_config_golden.py > trl_grpo_config.json        (run in this folder)
"""

import dataclasses
import enum
import json

import transformers
import trl
from trl.scripts.grpo import GRPOScriptArguments


def plain(value):
    """A default as YAML would write it."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def type_name(annotation):
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation)).replace(
        "typing.", "")


def keys(configuration):
    found = []
    for field in dataclasses.fields(configuration):
        if not field.init:
            continue
        default = field.default
        if default is dataclasses.MISSING:
            default = None if field.default_factory is dataclasses.MISSING else field.default_factory()
        kind = type_name(field.type) if "|" not in str(field.type) else str(field.type).replace("typing.", "")
        found.append({"key": field.name, "type": kind, "default": plain(default)})
    return sorted(found, key=lambda entry: entry["key"])


print(json.dumps({
    "versions": {"trl": trl.__version__, "transformers": transformers.__version__},
    "GRPOConfig": keys(trl.GRPOConfig),
    "ModelConfig": keys(trl.ModelConfig),
    "GRPOScriptArguments": keys(GRPOScriptArguments),
    "DatasetMixtureConfig": keys(trl.DatasetMixtureConfig),
}, indent=1))
