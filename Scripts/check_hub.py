"""Checks the hub's downloads and uploads against huggingface_hub, and that nothing that happens to a process makes the cache wrong.

usage: check_hub.py [--kills 50] [--push COMMAND] APUS [ARGUMENT ...]

APUS ARGUMENT ... is the command that brings a repository and prints its path on the last line: `apus pull` when no arguments
are given. COMMAND takes a folder to a repository: `APUS push` when it is not given. Both are run on
Tests/Fixtures/hub/hub_server.py. Checked:

1. huggingface_hub itself downloads from that server, so that the server behaves as the hub does
2. what we bring is read by huggingface_hub without a network (snapshot_download, hf_hub_download, scan_cache_dir)
3. what huggingface_hub brings is found by us without a network
4. datasets loads what we bring without a network, and we find what it has brought
5. two processes at once make one download, also one of ours and one of huggingface_hub's
6. a download that is killed (SIGKILL) at random times leaves no wrong file, and goes on from where it was
7. huggingface_hub itself uploads to that server (upload_folder), whole and in parts
8. what we push is downloaded by huggingface_hub equal byte for byte, and what one has pushed the other does not send again
9. a push that is killed at random times leaves the branch as it was, or whole

Exits with 1 at the first difference. Needs huggingface_hub and datasets.
"""
import argparse
import hashlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Fixtures", "hub", "hub_server.py")
MODEL, DATASET, ROWS, LARGE = "org/tiny", "org/data", "org/rows", 120_000_000
OPTIONS = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class Mismatch(Exception):
    """What was wanted and what was found."""


def require(condition, message):
    if not condition:
        raise Mismatch(message)


class Server:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = f"http://127.0.0.1:{json.loads(self.process.stdout.readline())['hub']}"
        self.set(repositories={
            f"models/{MODEL}": {"files": {
                "config.json": {"text": '{"model_type": "llama"}'}, "tokenizer.json": {"text": "{}"},
                "model.safetensors": {"size": LARGE, "seed": 1},
            }},
            f"datasets/{DATASET}": {"files": {
                "README.md": {"text": "# Data\n"}, "main/train.parquet": {"size": 3_000_000, "seed": 2}, "main/empty.txt": {"text": ""},
            }},
            f"datasets/{ROWS}": {"files": {
                "README.md": {"text": "# Rows\n"}, "train.jsonl": {"text": '{"q": "a"}\n{"q": "b"}\n'}, "test.jsonl": {"text": '{"q": "c"}\n'},
            }},
        }, page=2)

    def set(self, **state):
        request = urllib.request.Request(self.address + "/_control", json.dumps(state).encode(), method="POST")
        urllib.request.urlopen(request).read()

    def log(self):
        """What was asked of the storage since the last call."""
        entries = json.load(urllib.request.urlopen(self.address + "/_log"))
        urllib.request.urlopen(urllib.request.Request(self.address + "/_log", method="DELETE")).read()
        return [entry for entry in entries if entry["host"] == "storage"]


class Checks:
    def __init__(self, command, push, server):
        self.command, self.push_command, self.server = command, push, server

    def environment(self, home, offline=False):
        return {**os.environ, **OPTIONS, "HF_ENDPOINT": self.server.address, "HF_HOME": home, "HF_HUB_OFFLINE": "1" if offline else "0", "HF_TOKEN": "hf_good"}

    def ours(self, home, name, dataset=False, offline=False, **options):
        arguments = [*self.command, *(["--dataset"] if dataset else []), name]
        return subprocess.Popen(
            arguments, env=self.environment(home, offline), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def path(self, *arguments, **options):
        process = self.ours(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        require(process.returncode == 0, f"{' '.join(map(str, arguments))}: {errors.strip()[-500:]}")
        return output.strip().splitlines()[-1]

    def theirs(self, home, code, offline=False):
        """Runs Python code with huggingface_hub imported; the path is the last line that it prints."""
        return subprocess.Popen(
            [sys.executable, "-c", "from huggingface_hub import *\n" + code], env=self.environment(home, offline),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def their_output(self, *arguments, **options):
        process = self.theirs(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        require(process.returncode == 0, f"huggingface_hub: {errors.strip()[-500:]}")
        return output.strip().splitlines()[-1] if output.strip() else ""

    # MARK: The checks

    def check_server(self, home):
        """huggingface_hub downloads everything; gives the checksums that all others are compared with."""
        folders = {
            "model": self.their_output(home, f"print(snapshot_download('{MODEL}'))"),
            "dataset": self.their_output(home, f"print(snapshot_download('{DATASET}', repo_type='dataset'))"),
        }
        self.wanted = {kind: contents(folder) for kind, folder in folders.items()}
        require(len(self.wanted["model"]) == 3 and len(self.wanted["dataset"]) == 3, f"huggingface_hub brought {self.wanted}")
        return "huggingface_hub downloads from the test server: 6 files"

    def check_ours_read_by_theirs(self, home):
        ours = {"model": self.path(home, MODEL), "dataset": self.path(home, DATASET, dataset=True)}
        for kind, folder in ours.items():
            require(contents(folder) == self.wanted[kind], f"our files of the {kind} are others than huggingface_hub's")
        read = f"""
for options in [{{}}, {{'local_files_only': True}}]:
    print(snapshot_download('{MODEL}', **options))
    print(hf_hub_download('{MODEL}', 'model.safetensors', **options))
    print(hf_hub_download('{DATASET}', 'main/train.parquet', repo_type='dataset', **options))
    print(snapshot_download('{DATASET}', repo_type='dataset', **options))
"""
        found = self.their_output(home, read, offline=True)
        require(os.path.samefile(found, ours["dataset"]), f"huggingface_hub finds {found}, not {ours['dataset']}")
        scan = "info = scan_cache_dir()\nprint(len(info.repos), len(info.warnings), len(info.incomplete_files), sum(len(r.refs) for r in info.repos))"
        require(self.their_output(home, scan) == "2 0 0 2", f"scan_cache_dir finds {self.their_output(home, scan)}")
        self.server.log()
        self.their_output(home, f"snapshot_download('{MODEL}')\nsnapshot_download('{DATASET}', repo_type='dataset')")
        require(self.server.log() == [], "huggingface_hub fetches again what we brought")
        return "what we bring is read by huggingface_hub offline, found by its scan, and not fetched again by it"

    def check_theirs_read_by_ours(self, home, keeps_trees):
        self.their_output(home, f"snapshot_download('{MODEL}')\nsnapshot_download('{DATASET}', repo_type='dataset')")
        if not keeps_trees:
            subprocess.run(f"rm -r '{home}'/hub/*/trees", shell=True, check=True)
        self.server.log()
        for offline in [True, False]:
            for kind, folder in {
                "model": self.path(home, MODEL, offline=offline), "dataset": self.path(home, DATASET, dataset=True, offline=offline),
            }.items():
                require(contents(folder) == self.wanted[kind], f"we find other files of the {kind} in huggingface_hub's cache")
        require(self.server.log() == [], "we fetch again what huggingface_hub brought")
        return f"what huggingface_hub brings is found by us, offline and online ({'with' if keeps_trees else 'without'} its listings)"

    def check_datasets(self, home):
        """What we bring is loaded by `datasets` without a network, and what it has loaded is found by us."""
        load = "import datasets; found = datasets.load_dataset({}); print({{name: list(rows['q']) for name, rows in found.items()}})"
        rows = "{'train': ['a', 'b'], 'test': ['c']}"
        ours = self.path(home, ROWS, dataset=True)
        found = self.their_output(home, load.format(repr(ours)), offline=True)
        require(found == rows, f"datasets loads {found} of what we brought")
        other = os.path.join(home, "other")
        found = self.their_output(other, load.format(repr(ROWS)))
        require(found == rows, f"datasets loads {found} from the server")
        theirs = self.path(other, ROWS, dataset=True, offline=True)
        require(contents(theirs) == contents(ours), f"we find {contents(theirs)} of what datasets brought")
        return "what we bring is loaded by datasets offline, and what datasets brings is found by us offline"

    def check_together(self, home, starts, label):
        self.server.log()
        self.server.set(faults=[{"path": "storage", "drip": 60_000_000, "times": -1}])
        processes = [start(home) for start in starts]
        for process in processes:
            _, errors = process.communicate(timeout=300)
            require(process.returncode == 0, f"{label}: {errors.strip()[-500:]}")
        self.server.set(faults=[])
        require(contents(self.path(home, MODEL, offline=True)) == self.wanted["model"], f"{label}: wrong files")
        sent = sum(length(entry) for entry in self.server.log())
        require(sent == LARGE, f"{label}: {sent} bytes asked for, not {LARGE}")
        return f"{label} at once: one download ({sent} bytes)"

    def check_kills(self, home, kills):
        """Kills one download after the other, each a little later, until one has to finish."""
        self.server.set(faults=[{"path": "storage", "drip": 10_000_000, "times": -1}])
        generator, finished = random.Random(1), 0
        for number in range(kills):
            process = self.ours(home, MODEL, start_new_session=True)
            time.sleep(generator.uniform(0.05, 1.2))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.check_blobs(home)
            if self.is_there(home):
                finished += 1
                home = tempfile.mkdtemp(dir=os.path.dirname(home))
        self.server.set(faults=[])
        # Questions of the last one that was killed may still be on their way.
        time.sleep(1)
        self.server.log()
        before = self.partial(home)
        folder = self.path(home, MODEL)
        require(contents(folder) == self.wanted["model"], "after the kills: wrong files")
        rest = sum(length(entry) for entry in self.server.log())
        require(rest <= LARGE - before, f"after the kills: {rest} bytes asked for though {before} of {LARGE} were there")
        leftovers = [name for name in os.listdir(os.path.join(folder, "..", "..", "blobs")) if "apus" in name]
        require(not leftovers, f"after the kills: {leftovers} is left")
        return f"{kills} kills: {finished} came too late, never a wrong file; the last run fetched {rest} bytes and found {before}"

    # MARK: Uploads

    def pushed(self, home, folder, name, **options):
        return subprocess.Popen(
            [*self.push_command, folder, name], env=self.environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **options)

    def push(self, home, folder, name):
        process = self.pushed(home, folder, name)
        output, errors = process.communicate(timeout=300)
        require(process.returncode == 0, f"push {folder} {name}: {errors.strip()[-500:]}")
        return output.strip().splitlines()[-1]

    def made_folder(self, home, seed):
        """An adapter's folder with a README.md of its own, so that none is added."""
        folder, generator = os.path.join(home, f"folder-{seed}"), random.Random(seed)
        files = {
            "README.md": b"# Mine\n", "adapter_config.json": b'{"r": 8}', "empty.txt": b"", "sub folder/\u00e4 +%41.txt": "\u00fc\r\n".encode(),
            "adapter_model.safetensors": generator.randbytes(7_300_000), "notes.txt": generator.randbytes(300_000).hex().encode(),
        }
        for path, data in files.items():
            place = os.path.join(folder, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as stream:
                stream.write(data)
        return folder

    def there(self, home, name):
        """What huggingface_hub downloads of a repository, without what the hub itself puts into a new one."""
        found = contents(self.their_output(home, f"print(snapshot_download('{name}', force_download=True))"))
        return {path: checksum for path, checksum in found.items() if path != ".gitattributes"}

    def commit(self, home, name):
        return self.their_output(home, f"print(HfApi().repo_info('{name}').sha)")

    def check_uploads(self, home):
        parts = 0
        for seed, multipart in [(11, None), (12, 1_000_000)]:
            self.server.set(multipart=multipart)
            folder, theirs, ours = self.made_folder(home, seed), f"org/theirs-{seed}", f"org/ours-{seed}"
            self.server.log()
            upload = f"api = HfApi()\napi.create_repo('{{}}', exist_ok=True)\nprint(api.upload_folder(repo_id='{{}}', folder_path='{folder}'))"
            self.their_output(home, upload.format(theirs, theirs))
            sent = [entry["length"] for entry in self.server.log()]
            require(sum(sent) == 7_300_000, f"huggingface_hub sent {sent}")
            require(self.there(home, theirs) == contents(folder), "what huggingface_hub uploads comes back as something else")
            # The storage has the large file by now: what is pushed first is another one.
            folder = self.made_folder(home, seed + 100)
            address = self.push(home, folder, ours)
            require(address == f"{self.server.address}/{ours}", f"the address is {address}")
            sent = [entry for entry in self.server.log() if entry["method"] == "PUT"]
            require(sum(entry["length"] for entry in sent) == 7_300_000, f"we sent {sent}")
            require(not any(entry["authorization"] for entry in sent), "the storage was given the token")
            parts += len(sent)
            require(self.there(home, ours) == contents(folder), "what we push comes back as something else")
            before = self.commit(home, ours)
            self.push(home, folder, ours)
            upload = f"HfApi().upload_folder(repo_id='{ours}', folder_path='{folder}')"
            self.their_output(home, upload)
            require(self.commit(home, ours) == before, "what is there already made a commit")
            before = self.commit(home, theirs)
            self.push(home, os.path.join(home, f"folder-{seed}"), theirs)
            require(self.commit(home, theirs) == before, "we push again what huggingface_hub has uploaded")
        self.server.set(multipart=None)
        return f"huggingface_hub uploads to the test server, and downloads what we push byte for byte, whole and in parts ({parts} requests)"

    def check_push_kills(self, home, kills):
        self.server.set(multipart=1_000_000)
        generator, finished, name = random.Random(2), 0, "org/killed"
        folder = self.made_folder(home, 20)
        self.push(home, folder, name)
        wanted = contents(folder)
        for number in range(kills):
            folder = self.made_folder(home, 21 + number)
            process = self.pushed(home, folder, name, start_new_session=True)
            time.sleep(generator.uniform(0.02, 0.4))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            time.sleep(0.1)
            found = self.there(home, name)
            require(found in (wanted, contents(folder)), "after a kill the branch is neither what it was nor what was pushed")
            finished += found == contents(folder)
            self.push(home, folder, name)
            wanted = contents(folder)
            require(self.there(home, name) == wanted, "after a kill the next push leaves something else")
        self.server.set(multipart=None)
        return f"{kills} kills of a push: {finished} came too late, the branch was what it was or whole, and the next push was right"

    def check_blobs(self, home):
        """Everything that has a final name is what its name says, and what a reference names is whole."""
        blobs = os.path.join(home, "hub", "models--org--tiny", "blobs")
        for name in os.listdir(blobs) if os.path.isdir(blobs) else []:
            if name.endswith(".incomplete"):
                continue
            with open(os.path.join(blobs, name), "rb") as stream:
                data = stream.read()
            computed = hashlib.sha256(data) if len(name) == 64 else hashlib.sha1(b"blob %d\0" % len(data) + data)
            require(computed.hexdigest() == name, f"blob {name} is wrong")
        if self.is_there(home):
            folder = self.path(home, MODEL, offline=True)
            require(contents(folder) == self.wanted["model"], "a reference names a snapshot that is not whole")
        scan = "try:\n    print(len(scan_cache_dir().warnings))\nexcept CacheNotFound:\n    print(0)"
        if random.random() < 0.1 and os.path.isdir(os.path.join(home, "hub", "models--org--tiny", "snapshots")):
            require(self.their_output(home, scan) == "0", "scan_cache_dir finds a damaged repository")

    def is_there(self, home):
        return os.path.isfile(os.path.join(home, "hub", "models--org--tiny", "refs", "main"))

    def partial(self, home):
        """Bytes of the large file that an earlier download has noted."""
        blobs = os.path.join(home, "hub", "models--org--tiny", "blobs")
        for name in os.listdir(blobs) if os.path.isdir(blobs) else []:
            if name.endswith(".pieces.apus.incomplete") and len(name) > 64:
                with open(os.path.join(blobs, name), "rb") as stream:
                    words = stream.read()[16:]
                return sum(int.from_bytes(words[at : at + 8], "little") for at in range(0, len(words), 8))
        return 0


def length(entry):
    start, end = (entry["range"] or f"bytes=0-{LARGE - 1}").removeprefix("bytes=").split("-")
    return int(end) + 1 - int(start)


def contents(folder):
    """The checksum of every file below a folder."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, folder)] = hashlib.sha256(stream.read()).hexdigest()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--push", help="the command that pushes, as a shell has it")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    command = arguments.command if len(arguments.command) > 1 else [*arguments.command, "pull"]
    push = shlex.split(arguments.push) if arguments.push else [arguments.command[0], "push"]
    checks = Checks(command, push, Server())
    our_start = lambda home: checks.ours(home, MODEL)
    their_start = lambda home: checks.theirs(home, f"print(snapshot_download('{MODEL}'))")
    with tempfile.TemporaryDirectory() as root:
        for check in [
            checks.check_server, checks.check_ours_read_by_theirs, lambda home: checks.check_theirs_read_by_ours(home, True),
            lambda home: checks.check_theirs_read_by_ours(home, False), checks.check_datasets,
            lambda home: checks.check_together(home, [our_start, our_start], "two of ours"),
            lambda home: checks.check_together(home, [our_start, their_start], "one of ours and one of huggingface_hub's"),
            lambda home: checks.check_kills(home, arguments.kills), checks.check_uploads,
            lambda home: checks.check_push_kills(home, arguments.kills // 5),
        ]:
            try:
                print("ok:", check(tempfile.mkdtemp(dir=root)), flush=True)
            except Mismatch as mismatch:
                sys.exit(f"failed: {mismatch}")


if __name__ == "__main__":
    main()
