"""The `apus` command as a Python function call: what the comparison scripts beside this file share."""
import json
import subprocess


class ApusError(Exception):
    """The command failed, or its answer is not what was asked for."""


def run(apus, subcommand, model, options):
    """Runs `apus SUBCOMMAND --json` and returns the JSON object that it prints."""
    command = [apus, *subcommand.split(), "--model", model, "--json", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise ApusError(f"apus {subcommand}: exit code {result.returncode}: {result.stderr.strip()[-400:]}")
    return json.loads(result.stdout)


def generate(apus, model, prompt, limit, options=()):
    """Greedy continuation of a text taken as it is: the prompt's token ids and the new ones."""
    # Texts are joined to their option by "=", for one may begin with a dash.
    wanted = ["--raw", f"--prompt={prompt}", "--temperature", "0", "--max-new-tokens", str(limit)]
    answer = run(apus, "generate", model, [*wanted, *options])
    return answer["prompt_token_ids"], answer["token_ids"]


def score(apus, model, prompt, completion, options=()):
    """The prompt's token ids, the completion's, and the log-probability of each of the latter."""
    answer = run(apus, "score", model, ["--raw", f"--prompt={prompt}", f"--completion={completion}", *options])
    tokens, log_probs = answer["token_ids"], answer["logprobs"]
    if len(log_probs) != len(tokens):
        raise ApusError(f"apus score: wanted a log-probability for each of {len(tokens)} tokens, found {len(log_probs)}")
    return answer["prompt_token_ids"], tokens, log_probs


def bench(apus, kind, model, options=()):
    """The figures of `apus bench KIND`."""
    return run(apus, f"bench {kind}", model, options)
