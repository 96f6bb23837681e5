"""Makes rows of data with the user's functions, as `datasets.map` and `filter` do; it follows worker.py in the child's
program."""


class Tokenizer:
    """The model's tokenizer, asked of the run: the methods of transformers' tokenizers that data are made with."""

    def __init__(self, requests):
        self._requests = requests
        for name, value in self._ask("tokens", {}).items():
            setattr(self, name, value)

    def _ask(self, method, arguments):
        send(self._requests, {"ask": method, "arguments": arguments})
        answer = receive(self._requests)
        if answer is None:
            os._exit(0)
        if "problem" in answer:
            raise ValueError(answer["problem"])
        return answer["answer"]

    def __call__(self, text, add_special_tokens=True, **_):
        if isinstance(text, str):
            tokens = self.encode(text, add_special_tokens)
            return {"input_ids": tokens, "attention_mask": [1] * len(tokens)}
        every = [self.encode(one, add_special_tokens) for one in text]
        return {"input_ids": every, "attention_mask": [[1] * len(tokens) for tokens in every]}

    def __len__(self):
        return self.vocab_size

    def encode(self, text, add_special_tokens=True, **_):
        return self._ask("encode", {"text": text, "add_special_tokens": bool(add_special_tokens)})

    def tokenize(self, text, **_):
        return [self.decode([token]) for token in self.encode(text, add_special_tokens=False)]

    def decode(self, token_ids, skip_special_tokens=False, **_):
        tokens = [token_ids] if isinstance(token_ids, int) else [int(token) for token in token_ids]
        return self._ask("decode", {"tokens": tokens, "skip_special_tokens": bool(skip_special_tokens)})

    def apply_chat_template(self, conversation, tools=None, tokenize=True, add_generation_prompt=False,
                            continue_final_message=False, return_dict=False, **variables):
        if tools:
            variables["tools"] = tools
        answer = self._ask("apply_chat_template", {
            "messages": as_row(list(conversation)), "variables": as_row(variables), "tokenize": bool(tokenize),
            "add_generation_prompt": bool(add_generation_prompt), "continues": bool(continue_final_message),
        })
        return {"input_ids": answer, "attention_mask": [1] * len(answer)} if tokenize and return_dict else answer

    def get_added_vocab(self):
        return self._ask("added_vocabulary", {})


tokenizers, generators = [], []


def arguments_of(function, number, requests):
    """What a function may name beside the row: the tokenizer, and the row's number."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    arguments = {name: number for name in ("idx", "index") if name in names and number is not None}
    if "tokenizer" in names:
        if not tokenizers:
            tokenizers.append(Tokenizer(requests))
        arguments["tokenizer"] = tokenizers[0]
    return arguments


def result_of(function, arguments, keywords):
    result = function(*arguments, **keywords)
    return event_loop().run_until_complete(awaited(result)) if inspect.isawaitable(result) else result


def make_rows(request, functions, requests):
    """The next rows of a function that gives them without a file."""
    try:
        if not generators:
            function = functions[request["function"]]
            result = result_of(function, [], arguments_of(function, None, requests))
            if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__iter__"):
                raise Refusal(f"returned {shown(result)}; yield dictionaries, or return a list of them")
            generators.append(iter(result))
        rows = []
        for row in generators[0]:
            if not isinstance(row, dict):
                raise Refusal(f"gave {shown(row)}; give dictionaries")
            rows.append(as_row(row))
            if len(rows) == request["count"]:
                break
        return {"rows": rows}
    except Refusal as refusal:
        return {"failed": str(refusal)}
    except BaseException as error:
        complain(error)
        return {"failed": described(error)}


def change_rows(request, functions, requests):
    """Maps rows, and leaves out those that a filter does not keep. The rows of each, or the first that fails."""
    changed = []
    for index, row in enumerate(request["rows"]):
        number = request["first"] + index
        try:
            rows = [row]
            if request["map"] is not None:
                rows = mapped(functions[request["map"]], row, number, requests)
            if request["filter"] is not None:
                keep = functions[request["filter"]]
                rows = [one for one in rows if result_of(keep, [one], arguments_of(keep, number, requests))]
            changed.append([as_row(one) for one in rows])
        except Refusal as refusal:
            return {"failed": str(refusal), "row": index}
        except BaseException as error:
            complain(error)
            return {"failed": described(error), "row": index}
    return {"rows": changed}


def mapped(function, row, number, requests):
    """The row with what the function returns laid over it; a list gives as many rows, and None the row as it is."""
    result = result_of(function, [dict(row)], arguments_of(function, number, requests))
    if result is None:
        return [row]
    several = result if isinstance(result, (list, tuple)) else [result]
    for one in several:
        if not hasattr(one, "keys"):
            raise Refusal(f"returned {shown(one)}; return a dictionary, a list of them, or None")
    return [{**row, **{str(key): one[key] for key in one.keys()}} for one in several]


def as_row(value):
    """The value as JSON has it; what has no such form is refused by its type."""
    if isinstance(value, dict):
        return {str(key): as_row(item) for key, item in value.items()}
    listed = getattr(value, "tolist", None)
    if callable(listed):
        value = listed()
    if isinstance(value, (list, tuple)):
        return [as_row(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return as_row(float(value))
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise Refusal(f"gave {shown(value)}, which has no form in JSON; give text, numbers, lists and dictionaries")


HANDLERS["rows"] = make_rows
HANDLERS["change"] = change_rows
