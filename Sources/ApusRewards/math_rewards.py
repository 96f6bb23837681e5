"""TRL's rewards that compare mathematics, under their names there; they want the package math_verify. It follows
reward_calls.py in the child's program."""


def accuracy_reward(completions, solution, log_extra=None, **_):
    """1 where a completion's answer equals the solution, 0 where not, None where the solution cannot be read."""
    return mathematics([text_of(one) for one in completions], solution, log_extra)


def reasoning_accuracy_reward(completions, solution, log_extra=None, reasoning_delimiters=("</think>",), **_):
    """The same of what follows the reasoning, and 0 for reasoning without an end."""
    answers = []
    for completion in completions:
        text = text_of(completion)
        end = next((mark for mark in reasoning_delimiters if mark in text), None)
        answers.append(None if end is None else text.split(end)[-1])
    return mathematics(answers, solution, log_extra)


def text_of(completion):
    return completion if isinstance(completion, str) else completion[0]["content"]


def mathematics(answers, solutions, log_extra):
    """An answer of None is reasoning without an end."""
    try:
        from latex2sympy2_extended import NormalizationConfig
        from math_verify import LatexExtractionConfig, parse, verify
    except ImportError:
        raise Refusal(
            "wants the package math_verify: pip install math-verify; for answers that are numbers "
            "numeric_answer needs no package"
        ) from None
    # An answer has to be LaTeX as it should be; what stands in a box comes first.
    latex = LatexExtractionConfig(
        normalization_config=NormalizationConfig(units=True), boxed_match_priority=0, try_extract_without_anchor=False
    )
    scores, golds, found = [], [], []
    for answer, solution in zip(answers, solutions):
        gold = [] if answer is None else parse(solution, parsing_timeout=10)
        if answer is None:
            scores.append(0.0)
            golds.append("[incomplete reasoning]")
            found.append("[incomplete reasoning]")
        elif not gold:
            scores.append(None)
            golds.append("[unparseable]")
            found.append("[skipped]")
        else:
            parsed = parse(answer, extraction_config=[latex], extraction_mode="first_match", parsing_timeout=10)
            scores.append(float(verify(gold, parsed, timeout_seconds=5)))
            golds.append(str(gold))
            found.append(str(parsed) if parsed else "[unparseable]")
    if log_extra is not None:
        log_extra("solution", list(solutions))
        log_extra("gold_parsed", golds)
        log_extra("answer_parsed", found)
    return scores
