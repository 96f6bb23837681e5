"""Passes what a run of Apus logs to experiment trackers, by the Python packages of those that the run names.

A message is a line of JSON on standard input, a reply one on standard output. What packages print goes to standard error.

    {"open": {...}}                                       once; {"opened": {tracker: {...}}, "failed": {tracker: {...}}}
    {"log": {metric: number or null}, "step": step}       no reply
    {"table": {"name", "step", "columns", "rows"}}        no reply
    {"close": {"status": "finished"|"failed"|"stopped"}}  {"closed": true}, and the process ends

Names and steps are those of Transformers' callbacks and of TRL, so that runs of theirs lie beside Apus's in one chart. A
tracker that fails is left out from then on; the others go on.
"""

import importlib.util
import json
import os
import re
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
# For the trackers of a run that is gone to end it, and for the packages' threads to end when everything is said.
LAST_SECONDS = 20
TOTALS = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos")


class RunIsGone(BaseException):
    """Apus ended without a word. Not an Exception, lest a package takes it for a failure of its own."""


def main():
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Packages come from where they are installed: the folder that a run is started in may well hold a "wandb".
    sys.path[:] = [folder for folder in sys.path if folder]
    parent, ending = os.getppid(), False

    def heed_end(*_):
        # SIGTERM comes when the thread that started this process ends. The run need not end with that thread.
        if os.getppid() != parent:
            signal.alarm(LAST_SECONDS)
            if not ending:
                raise RunIsGone

    reset_signals()
    signal.signal(signal.SIGTERM, heed_end)
    with suppress(ImportError, OSError, AttributeError):  # Elsewhere than on Linux, the end of the input has to do.
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    trackers, status = {}, None
    with suppress(RunIsGone):
        status = serve(requests, replies, trackers)
    ending = True
    heed_end()
    each(trackers, "finish", "the end of the run may be missing there", status or "failed")
    if status is not None:
        send(replies, {"closed": True})
    signal.alarm(LAST_SECONDS)


def reset_signals():
    """What a run ignores or blocks, the packages' processes need not. What a terminal sends, the run answers."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Two are ignored by Python itself.
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.setsid()  # Where there is no terminal, no package asks for a password.


def serve(requests, replies, trackers):
    """Returns how the run ended, or None when it did not say."""
    for line in requests:
        try:
            message = json.loads(line)
        except ValueError:
            break  # The run ended while it wrote.
        if "open" in message:
            send(replies, open_all(message["open"], trackers))
        elif "log" in message:
            numbers = {name: value for name, value in message["log"].items() if value is not None}
            each(trackers, "log", "nothing more is logged there", numbers, message["step"])
        elif "table" in message:
            each(trackers, "table", "no more tables are logged there", **message["table"])
        elif "close" in message:
            return message["close"]["status"]


def send(replies, message):
    with suppress(BrokenPipeError):  # Then nobody waits for it any more.
        replies.write(json.dumps(message) + "\n")
        replies.flush()


def open_all(wanted, trackers):
    opened, failed = {}, {}
    for name in wanted["trackers"]:
        missing, install = False, f"pip install {name}"
        try:
            # A folder that only has the package's name, as wandb's own for its files, is found as well, without origin.
            if name not in TRACKERS:
                reason, install = f"not supported; {', '.join(TRACKERS)} are", None
            elif getattr(importlib.util.find_spec(name), "origin", None) is None:
                missing, reason = True, f"the package {name} is not installed for {sys.executable}"
            else:
                trackers[name] = TRACKERS[name](wanted, wanted["resume"].get(name))
                opened[name] = {"id": trackers[name].id, "url": trackers[name].url}
                continue
        except RunIsGone:
            raise
        except BaseException as error:
            reason = described(error)
        failed[name] = {"missing": missing, "reason": reason, "install": install}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # SwanLab would end its run by it.
    return {"opened": opened, "failed": failed}


def each(trackers, method, consequence, *arguments, **named):
    for name, tracker in list(trackers.items()):
        try:
            if getattr(tracker, method, None) is not None:
                getattr(tracker, method)(*arguments, **named)
        except RunIsGone:
            del trackers[name]  # Interrupted amid its work, it could not end the run.
            raise
        except BaseException as error:
            print(f"apus: {name}: {described(error)}; {consequence}", file=sys.stderr, flush=True)
            if method == "table":
                tracker.table = None  # Tables often go another way than numbers, to a store that may not be there.
            else:
                del trackers[name]


def described(error):
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return text if len(text) <= 400 else text[:397] + "..."


def rewritten(numbers):
    """Names as Transformers has them, which is by what trackers group their charts."""
    prefixes = {"eval_": "eval/", "test_": "test/"}
    return {prefixes[k[:5]] + k[5:] if k[:5] in prefixes else "train/" + k: v for k, v in numbers.items()}


def parted(numbers):
    """What there is once a run, and what there is for each step."""
    once = {name: value for name, value in numbers.items() if name in TOTALS}
    return once, rewritten({name: value for name, value in numbers.items() if name not in TOTALS})


class WeightsAndBiases:
    def __init__(self, wanted, earlier):
        import wandb

        self.wandb = wandb
        arguments = {"project": os.environ.get("WANDB_PROJECT") or wanted["project"] or "huggingface"}
        if wanted["run_name"] is not None:
            arguments["name"] = wanted["run_name"]
        if not os.environ.get("WANDB_DIR"):
            arguments["dir"] = wanted["output_dir"]
        if earlier is not None and not os.environ.get("WANDB_RUN_ID"):
            arguments.update(id=earlier, resume=os.environ.get("WANDB_RESUME") or "allow")
        self.run = wandb.init(**arguments)
        self.run.config.update(wanted["configuration"], allow_val_change=True)
        self.run.define_metric("train/global_step")
        self.run.define_metric("*", step_metric="train/global_step", step_sync=True)
        self.id, self.url = self.run.id, None if self.run.offline else self.run.url

    def log(self, numbers, step):
        once, numbers = parted(numbers)
        self.run.summary.update(once)
        self.run.log({**numbers, "train/global_step": step})

    def table(self, name, step, columns, rows):
        table = self.wandb.Table(columns=columns, data=rows, allow_mixed_types=True)  # A prompt may be text or messages.
        self.run.log({name: table, "train/global_step": step})

    def finish(self, status):
        # 255 is what wandb itself says of a run that Ctrl-C ended.
        self.run.finish(exit_code={"finished": 0, "stopped": 255}.get(status, 1))


class Trackio:
    def __init__(self, wanted, earlier):
        import trackio

        self.trackio = trackio
        run = trackio.init(
            project=wanted["project"] or "huggingface", name=earlier or wanted["run_name"], space_id=wanted["space_id"],
            config=wanted["configuration"], resume="allow")
        space = trackio.context_vars.current_space_id.get()
        # Its runs go on by their names.
        self.id, self.url = run.name, space and f"https://huggingface.co/spaces/{space}"

    def log(self, numbers, step):
        self.trackio.log({**parted(numbers)[1], "train/global_step": step})

    def table(self, name, step, columns, rows):
        # All versions take rows of this form.
        self.trackio.log({name: self.trackio.Table(data=[dict(zip(columns, row)) for row in rows])})

    def finish(self, status):
        self.trackio.finish()


class MLflow:
    def __init__(self, wanted, earlier):
        import mlflow
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

        self.mlflow = mlflow
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or wanted["project"]
        if experiment and not os.environ.get("MLFLOW_EXPERIMENT_ID"):
            mlflow.set_experiment(experiment)
        run = None
        if earlier is not None and not os.environ.get("MLFLOW_RUN_ID"):
            try:
                run = mlflow.start_run(run_id=earlier)
            except mlflow.exceptions.MlflowException as error:
                print(f"apus: mlflow: {described(error)}; a new run is begun there", file=sys.stderr, flush=True)
        run = run or mlflow.start_run(run_name=wanted["run_name"])
        self.id, self.url, address = run.info.run_id, None, mlflow.get_tracking_uri()
        if address.startswith("http"):
            self.url = f"{address.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{self.id}"
        # Parameters cannot be changed: a run that goes on keeps its own.
        new = [(name, value) for name, value in wanted["configuration"].items() if name not in run.data.params]
        new = [(name, value) for name, value in new if len(str(value)) <= MAX_PARAM_VAL_LENGTH]
        for start in range(0, len(new), MAX_PARAMS_TAGS_PER_BATCH):
            mlflow.log_params(dict(new[start : start + MAX_PARAMS_TAGS_PER_BATCH]))
        mlflow.set_tags(json.loads(os.environ.get("MLFLOW_TAGS") or "{}"))

    def log(self, numbers, step):
        # Where metrics are files, "rewards/f" cannot be one beside "rewards/f/mean", which says the same.
        folders = {name.rpartition("/")[0] for name in numbers}
        kept = {name: value for name, value in numbers.items() if name not in folders}
        self.mlflow.log_metrics({re.sub(r"[^0-9A-Za-z_\-. :/]", "_", k): v for k, v in kept.items()}, step=step)

    def table(self, name, step, columns, rows):
        # Not `log_table`: it lists a run's tables in one tag, which is full after a hundred.
        self.mlflow.log_dict({"columns": columns, "data": rows}, f"{name}/{name}_{step:05d}.json")

    def finish(self, status):
        self.mlflow.end_run({"finished": "FINISHED", "stopped": "KILLED"}.get(status, "FAILED"))


class SwanLab:
    def __init__(self, wanted, earlier):
        import swanlab

        self.swanlab = swanlab
        earlier = os.environ.get("SWANLAB_RUN_ID") or earlier
        arguments = {
            "project": os.environ.get("SWANLAB_PROJECT") or wanted["project"], "experiment_name": wanted["run_name"],
            "id": earlier, "resume": os.environ.get("SWANLAB_RESUME") or earlier and "allow"}
        run = swanlab.init(**{key: value for key, value in arguments.items() if value is not None})
        swanlab.config.update(wanted["configuration"])
        self.id, self.url = run.id, None
        with suppress(AttributeError, ValueError):  # There is none unless it is online.
            self.url = run.url

    def log(self, numbers, step):
        once, numbers = parted(numbers)
        once = {f"single_value/{name}": value for name, value in once.items()}
        self.swanlab.log({**once, **numbers, "train/global_step": step}, step=step)

    def finish(self, status):
        state = {"finished": "success", "stopped": "aborted"}.get(status, "crashed")
        self.swanlab.finish(state=state, error=None if status == "finished" else f"the run {status}")


class Comet:
    def __init__(self, wanted, earlier):
        import comet_ml

        self.experiment = comet_ml.start(
            project_name=os.environ.get("COMET_PROJECT_NAME") or wanted["project"], mode=os.environ.get("COMET_MODE"),
            experiment_key=os.environ.get("COMET_EXPERIMENT_KEY") or earlier,
            experiment_config=comet_ml.ExperimentConfig(name=wanted["run_name"]))
        self.experiment.log_parameters({"args": wanted["configuration"]}, nested_support=True)
        self.id, self.url = self.experiment.get_key(), self.experiment.url

    def log(self, numbers, step):
        self.experiment.log_metrics(rewritten(numbers), step=step, epoch=numbers.get("epoch"))

    def finish(self, status):
        self.experiment.end()


TRACKERS = {"wandb": WeightsAndBiases, "trackio": Trackio, "mlflow": MLflow, "swanlab": SwanLab, "comet_ml": Comet}

if __name__ == "__main__":
    main()
