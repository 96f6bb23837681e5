#!/usr/bin/env python3
"""Runs `apus train` with `report_to: wandb, trackio, mlflow` and compares what these packages read with the run's own files.

    pip install 'wandb>=0.31' trackio mlflow
    VENV/bin/python Scripts/check_trackers.py APUS

Nothing leaves the machine: wandb is offline, the others write to a temporary folder. Every finite value of every line of
metrics.jsonl and every logged completion must be there once, under its name, at its step, and nothing else; each tracker
must say that the run finished. Ends with status 1 when one differs.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

RECIPE = pathlib.Path(__file__).resolve().parent.parent / "Recipes" / "arithmetic-demo.yaml"
OPTIONS = {
    "report_to": "[wandb, trackio, mlflow]",
    "log_completions": "true",
    "max_steps": "6",
    "save_steps": "6",
    "eval_steps": "3",
    "eval_size": "16",
    "per_device_eval_batch_size": "16",
    "per_device_train_batch_size": "16",
    "num_generations": "4",
    "run_name": "check-trackers",
    "python": sys.executable,
}
PROJECT = "huggingface"  # Transformers' name for what has none.
EXPERIMENT = "check-trackers"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apus", type=pathlib.Path)
    apus = parser.parse_args().apus.resolve()
    with tempfile.TemporaryDirectory(prefix="apus-trackers-") as work:
        check(apus, pathlib.Path(work))


def check(apus, work):
    # The packages read these when they are imported, here as in the run.
    for name in [name for name in os.environ if name.startswith(("WANDB_", "TRACKIO_", "MLFLOW_"))]:
        del os.environ[name]
    os.environ["WANDB_MODE"] = "offline"
    os.environ["TRACKIO_DIR"] = str(work / "trackio")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{work}/mlflow.db"
    os.environ["MLFLOW_EXPERIMENT_NAME"] = EXPERIMENT
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    import mlflow

    mlflow.create_experiment(EXPERIMENT, artifact_location=(work / "artifacts").as_uri())
    output = work / "output"
    options = [text for name, value in {**OPTIONS, "output_dir": output}.items() for text in (f"--{name}", str(value))]
    # The recipe's paths begin at the root of the repository.
    subprocess.run([apus, "train", RECIPE, "--no-progress", *options], check=True, cwd=RECIPE.parent.parent)

    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    files = sorted((output / "completions").iterdir())
    tables = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    wanted = {"rows": [row(record) for record in records], "tables": tables}
    faults = compare("wandb", read_wandb(output), {**wanted, "state": 0})
    faults += compare("trackio", read_trackio(), wanted)
    wanted = {"rows": sorted(histories(records).items()), "tables": tables, "state": "FINISHED"}
    faults += compare("mlflow", read_mlflow(mlflow), wanted)
    print(f"{len(records)} lines, {len(tables)} tables, {faults} differences")
    sys.exit(1 if faults or not records or not tables else 0)


def row(record):
    """A line as wandb and trackio have it."""
    values = {"train/global_step": record["step"]}
    for name, value in record.items():
        if value is not None and name != "step":
            values["eval/" + name[5:] if name.startswith("eval_") else "train/" + name] = value
    return values


def histories(records):
    """All lines as mlflow has them: for each name its values by step. A name that is another's folder is left out."""
    result = {}
    for record in records:
        folders = {name.rpartition("/")[0] for name, value in record.items() if value is not None}
        for name, value in record.items():
            if value is not None and name != "step" and name not in folders:
                result.setdefault(name, []).append((record["step"], float(value)))
    return result


def compare(tracker, found, wanted):
    """Prints the first difference of each kind and returns how many kinds differ."""
    faults = 0
    for kind, right in wanted.items():
        if found[kind] == right:
            continue
        faults += 1
        if not isinstance(right, list):
            print(f"{tracker}: {kind}: wanted {right}, found {found[kind]}")
        elif len(found[kind]) != len(right):
            print(f"{tracker}: {kind}: wanted {len(right)}, found {len(found[kind])}")
        else:
            first = next(index for index in range(len(right)) if found[kind][index] != right[index])
            print(f"{tracker}: {kind}: number {first}: wanted {right[first]}, found {found[kind][first]}")
    return faults


def read_wandb(output):
    (folder,) = (output / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", folder]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    items = [entry["history"]["item"] for entry in entries if entry["type"] == "history"]
    tables = []
    for item in items:
        if "completions.path" in item:
            table = json.loads((folder / "files" / item["completions.path"]).read_text())
            tables.append([dict(zip(table["columns"], values)) for values in table["data"]])
    rows = [
        {name: value for name, value in item.items() if not name.startswith("_")}
        for item in items
        if "completions.path" not in item
    ]
    (state,) = [entry["exit"].get("exit_code", 0) for entry in entries if entry["type"] == "exit"]
    return {"rows": rows, "tables": tables, "state": state}


def read_trackio():
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs(PROJECT)
    logs = SQLiteStorage.get_logs(PROJECT, name)
    rows = [
        {key: value for key, value in log.items() if key not in ("timestamp", "step")}
        for log in logs
        if "completions" not in log
    ]
    return {"rows": rows, "tables": [log["completions"]["_value"] for log in logs if "completions" in log]}


def read_mlflow(mlflow):
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    rows = []
    for name in sorted(run.data.metrics):
        history = client.get_metric_history(run.info.run_id, name)
        rows.append((name, sorted((metric.step, metric.value) for metric in history)))
    tables = []
    for file in client.list_artifacts(run.info.run_id, "completions"):
        table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{file.path}")
        tables.append([dict(zip(table["columns"], values)) for values in table["data"]])
    return {"rows": rows, "tables": tables, "state": run.info.status}


if __name__ == "__main__":
    main()
