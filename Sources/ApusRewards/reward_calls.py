"""Calls reward functions as TRL does; it follows worker.py in the child's program."""


# The fields of transformers' TrainerState that a run does not tell, as they are before the first step.
STATE = {
    "epoch": 0.0, "global_step": 0, "max_steps": 0, "logging_steps": 500, "eval_steps": 500, "save_steps": 500,
    "train_batch_size": None, "num_train_epochs": 0, "num_input_tokens_seen": 0, "total_flos": 0, "log_history": [],
    "best_metric": None, "best_global_step": None, "best_model_checkpoint": None, "is_local_process_zero": True,
    "is_world_process_zero": True, "is_hyper_param_search": False, "trial_name": None, "trial_params": None,
    "stateful_callbacks": {},
}


def score(request, functions, _):
    """Scores all completions; when that fails, each alone, to tell which one is at fault."""
    function = functions[request["function"]]
    columns = request["columns"]
    columns.update({key: request[key] for key in ("prompts", "completions", "completion_ids")})
    state = types.SimpleNamespace(**{**STATE, **request["trainer_state"]})
    count = len(request["completions"])
    log = Log(count)
    try:
        scores, failures = checked(invoke(function, columns, state, log), count)
        return {"scores": scores, "failures": failures, "metrics": log.metrics, "extra": log.extra}
    except Refusal as refusal:
        return {"failures": [{"reason": str(refusal)}]}
    except BaseException as error:
        complain(error)
        reason = described(error)
        shape = call_text(function, columns)
        if count == 1:
            return {"failures": [{"sample": 0, "reason": reason}], "call": shape}
    scores, failures = one_by_one(function, columns, state, count, request["stop_at_first_failure"])
    if not failures:
        return {"failures": [{"reason": reason + ", though not on any completion alone"}], "call": shape}
    return {"scores": scores, "failures": failures, "call": shape}


def one_by_one(function, columns, state, count, stops):
    scores, failures = [None] * count, []
    for index in range(count):
        alone = {key: values[index : index + 1] for key, values in columns.items()}
        try:
            (scores[index],), wrong = checked(invoke(function, alone, state, Log(1)), 1)
            failures += [{"sample": index, "reason": one["reason"]} for one in wrong]
        except Refusal as refusal:
            failures.append({"sample": index, "reason": str(refusal)})
        except BaseException as error:
            failures.append({"sample": index, "reason": described(error)})
        if failures and stops:
            break
    return scores, failures


def invoke(function, columns, state, log):
    """Calls a function as TRL does; one that names its arguments gets those that it names."""
    arguments = {**columns, "trainer_state": state, "log_extra": log.log_extra, "log_metric": log.log_metric}
    result = function(**named(function, arguments))
    return event_loop().run_until_complete(awaited(result)) if inspect.isawaitable(result) else result


class Log:
    """What a function tells beside its scores."""

    def __init__(self, count):
        self.count = count
        self.metrics = {}
        self.extra = {}

    def log_metric(self, name, value):
        self.metrics.setdefault(str(name), []).append(finite(plain(value)))

    def log_extra(self, column, values):
        values = list(values)
        if len(values) != self.count:
            raise Refusal(f"gave log_extra('{column}') {len(values)} values for {self.count} completions")
        self.extra[str(column)] = [as_json(value) for value in values]


def finite(value):
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    return None


def as_json(value):
    value = plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= 10**38:
        return str(value)  # The run reads 38 digits as a number.
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def checked(result, count):
    """Scores with None for "does not apply", and what is wrong with single ones."""
    if isinstance(result, (str, bytes, dict, set, frozenset)) or not hasattr(result, "__iter__"):
        raise Refusal(f"returned {shown(result)}; return a list with one number or None for each completion")
    try:
        values = list(result)
    except TypeError:
        raise Refusal(f"returned {shown(result)}; return a list with one number for each completion") from None
    if len(values) != count:
        raise Refusal(f"returned {len(values)} scores for {count} completions; return exactly one for each")
    scores, failures = [], []
    for index, value in enumerate(values):
        score, problem = checked_score(value)
        scores.append(score)
        if problem:
            failures.append({"sample": index, "reason": problem})
    return scores, failures


def checked_score(value):
    if value is None:
        return None, None
    number = plain(value)
    if not isinstance(number, numbers.Real) and type(number).__name__ != "Decimal":
        return None, f"returned {shown(value)}; return a number, or None where it does not apply"
    try:
        score = float(number)
    except OverflowError:
        score = math.inf
    if math.isnan(score):
        return None, None
    if math.isinf(score):
        return None, f"returned {score}; return a finite number, or None where it does not apply"
    return score, None


def call_text(function, columns):
    """The call as it would be written for the first completion."""
    name = getattr(function, "__name__", type(function).__name__)
    parts = [f"{key}=[{clipped(values[0])}, ...]" for key, values in sorted(columns.items()) if values]
    return f"{name}({', '.join(parts)}, trainer_state=..., log_extra=..., log_metric=...)"


def clipped(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


HANDLERS["score"] = score
