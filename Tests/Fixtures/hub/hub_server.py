"""A hub on this machine that behaves like huggingface.co, for tests: two servers, the hub and the storage it sends on to.

usage: hub_server.py [STATE.json]

Prints {"hub": PORT, "storage": PORT} and serves until its standard input ends. What it has and what goes wrong is set by
POST /_control with a JSON object, whose keys replace the ones before:

  repositories  {"models/org/name": {"files": {PATH: FILE}, "references": {"main": NUMBER}, "gated": bool, "private": bool,
                "moved": "org/new"}}. A FILE is {"text": ...}, {"size": n, "seed": n} or {"file": path}; "lfs": bool. A repository
                with "commits": [{PATH: FILE}, ...] instead of "files" has several; "references" number them.
  listings      {"models/org/name": [ENTRY, ...]}: what /tree answers instead of the truth
  tokens        those that see private and gated repositories; default ["hf_good", "hf_read"]
  readers       those of them that may not write; default ["hf_read"]
  multipart     bytes of a part: larger files are uploaded in parts; absent for whole files alone
  verifies      whether an upload is to be verified afterwards; default true
  own_links     whether addresses are of this hub; false for huggingface.co's, which a mirror's client replaces; default true
  page          entries of a page of /tree; default 1000
  faults        [RULE, ...]. A RULE has "path" (a regular expression for host and path, such as "hub/api/models"), "times"
                (default 1; -1 for ever) and one of: "status" (with "headers"), "cut_at" (closes the connection before this byte of
                the file), "stall_at" (sends nothing more from this byte on), "wrong_at" (this byte is another one),
                "ignore_range", "drip" (bytes a second), "delay" (seconds before the answer), "location" (sends on to it), "lose"
                (does what is asked and closes the connection), "rival" ({PATH: FILE}: somebody else's commit comes before this one).
                Of an upload "cut_at" and "stall_at" are bytes of its body.
  expired       addresses of the storage are good for so many requests; absent for ever

GET /_log gives what was asked: host, method, path, range, bytes of the body, whether an Authorization came, the status. DELETE
/_log empties it.
"""
import base64
import functools
import hashlib
import http.server
import json
import os
import random
import re
import sys
import threading
import time
import urllib.parse

LOCK = threading.RLock()
STATE = {"repositories": {}, "listings": {}, "tokens": ["hf_good", "hf_read"], "readers": ["hf_read"], "page": 1000, "faults": [], "expired": None}
LOG = []
PORTS = {}
SIGNED = {}
CONTENT = {}
# What was uploaded, by its checksum, and the parts of what is being uploaded, by the number of the upload.
UPLOADS = {}
PARTS = {}


def content(file):
    if "stored" in file:
        return UPLOADS[file["stored"]]
    key = json.dumps(file, sort_keys=True)
    with LOCK:
        if key not in CONTENT:
            if "text" in file:
                CONTENT[key] = file["text"].encode()
            elif "base64" in file:
                CONTENT[key] = base64.b64decode(file["base64"])
            elif "file" in file:
                with open(file["file"], "rb") as stream:
                    CONTENT[key] = stream.read()
            else:
                CONTENT[key] = random.Random(file.get("seed", 0)).randbytes(file["size"])
        return CONTENT[key]


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(file):
    return file.get("lfs", "size" in file or "stored" in file)


@functools.lru_cache(maxsize=None)
def described(path, file):
    return entry_of(path, json.loads(file))


def entry(path, file):
    """What /tree says of a file."""
    return dict(described(path, json.dumps(file)))


def entry_of(path, file):
    data = content(file)
    if not is_large(file):
        return {"type": "file", "oid": git_hash(data), "size": len(data), "path": path}
    sha256 = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    return {
        "type": "file", "oid": git_hash(pointer), "size": len(data), "path": path,
        "lfs": {"oid": sha256, "size": len(data), "pointerSize": len(pointer)}, "xetHash": hashlib.sha256(b"xet" + data).hexdigest(),
    }


class Repository:
    def __init__(self, key, settings):
        self.kind, self.id = key.split("/", 1)
        self.settings = settings
        self.commits = settings.get("commits") or [settings.get("files", {})]

    def commit(self, number):
        listing = json.dumps([self.kind, self.id, number, self.commits[number]], sort_keys=True)
        return hashlib.sha1(listing.encode()).hexdigest()

    def add(self, revision, changes):
        """A commit on top of a branch; gives its number."""
        references = dict(self.settings.get("references", {"main": len(self.commits) - 1}))
        self.commits = [*self.commits, {**self.commits[references[revision]], **changes}]
        references[revision] = len(self.commits) - 1
        self.settings.update(commits=self.commits, references=references)
        return references[revision]

    def number(self, revision):
        """Which commit a revision is, or None."""
        references = self.settings.get("references", {"main": len(self.commits) - 1})
        if revision in references:
            return references[revision]
        for number in range(len(self.commits)):
            if self.commit(number) == revision:
                return number
        return None


def find(kind, name):
    settings = STATE["repositories"].get(f"{kind}/{name}")
    return None if settings is None else Repository(f"{kind}/{name}", settings)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host = "hub"
    rule = {}

    def log_message(self, *args):
        pass

    # MARK: Answers

    def note(self, status):
        with LOCK:
            LOG.append({
                "host": self.host, "method": self.command, "path": self.path[:300], "range": self.headers.get("Range"),
                "length": int(self.headers.get("Content-Length") or 0),
                "authorization": "Authorization" in self.headers, "status": status,
            })

    def head(self, status, size, headers=()):
        self.note(status)
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def answer(self, status, body=b"", headers=()):
        if self.rule.get("lose"):
            self.note(status)
            self.close_connection = True
            return self.connection.shutdown(2)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
        self.head(status, len(data), {**kind, **dict(headers)})
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status, code=None, message=""):
        headers = {"X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        self.answer(status, {"error": message}, headers)

    def fault(self):
        """The rule that this request meets, used up once."""
        with LOCK:
            for rule in STATE["faults"]:
                if rule.get("times", 1) != 0 and re.search(rule["path"], f"{self.host}{self.path}"):
                    # A rule for a byte meets only the request whose range has it.
                    place = next((rule[name] for name in ("cut_at", "stall_at", "wrong_at") if name in rule), None)
                    if place is not None and (self.command == "HEAD" or not self.asks_for(place)):
                        continue
                    rule["times"] = rule.get("times", 1) - 1 if rule.get("times", 1) > 0 else -1
                    return rule
        return {}

    def asks_for(self, place):
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "bytes=0-")
        return int(span[1]) <= place and (not span[2] or place <= int(span[2]))

    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def is_known(self):
        return self.token() in STATE["tokens"]

    def send_file(self, data, rule, headers=()):
        """A file or a part of it, and what is to go wrong with it."""
        headers = {"Accept-Ranges": "bytes", **dict(headers)}
        start, end, status = 0, len(data), 200
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if span and not rule.get("ignore_range"):
            start, end = int(span[1]), min(int(span[2] or len(data) - 1) + 1, len(data))
            if start >= len(data):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        self.head(status, end - start, headers)
        if self.command == "HEAD":
            return
        stop = rule.get("cut_at", rule.get("stall_at", end))
        wrong = rule.get("wrong_at")
        step = max(1, rule["drip"] // 10) if "drip" in rule else 1 << 16
        position = start
        while position < min(stop, end):
            piece = bytearray(data[position : min(position + step, stop, end)])
            if wrong is not None and position <= wrong < position + len(piece):
                piece[wrong - position] ^= 0xFF
            self.wfile.write(piece)
            position += len(piece)
            if "drip" in rule:
                self.wfile.flush()
                time.sleep(0.1)
        if position < end:
            self.wfile.flush()
            self.close_connection = True
            if "stall_at" in rule:
                time.sleep(3600)
            self.connection.shutdown(2)

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError, OSError):
            self.close_connection = True

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def begin(self):
        """Whether the request goes on: a rule may answer it instead. The rule is kept for the file."""
        self.rule = self.fault()
        if "delay" in self.rule:
            time.sleep(self.rule["delay"])
        if "status" in self.rule:
            self.answer(self.rule["status"], b"", self.rule.get("headers", {}))
            return False
        if "location" in self.rule:
            self.answer(302, b"", {"Location": self.rule["location"]})
            return False
        return True


class Hub(Handler):
    def do_HEAD(self):
        self.do_GET()

    def do_DELETE(self):
        with LOCK:
            LOG.clear()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        if self.path == "/_log":
            data = json.dumps(LOG).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        elif self.begin():
            self.route()

    def do_POST(self):
        body = self.body()
        if self.path == "/_control":
            with LOCK:
                STATE.update(json.loads(body))
                SIGNED.clear()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.begin():
            self.upload(body)

    # MARK: Questions

    def route(self):
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "api" and parts[1] == "resolve-cache":
            return self.resolve_cached(parts)
        if parts[0] == "api" and parts[1] in ("models", "datasets"):
            return self.api(parts[1], parts[2:], query)
        kind = "models"
        if parts[0] == "datasets":
            kind, parts = "datasets", parts[1:]
        if "resolve" in parts[1:3]:
            index = parts.index("resolve", 1)
            return self.resolve(kind, "/".join(parts[:index]), parts[index + 1], "/".join(parts[index + 2 :]))
        return self.refuse(404, None, "Not found")

    def opened(self, kind, name, is_file=False):
        """The repository, or None when the question has been answered."""
        repository = find(kind, name)
        if repository is None or (repository.settings.get("private") and not self.is_known()):
            # The hub does not tell strangers what is private and what is not there.
            if self.is_known():
                self.refuse(404, "RepoNotFound", "Repository not found")
            else:
                self.refuse(401, "RepoNotFound", "Invalid username or password.")
            return None
        if "moved" in repository.settings:
            location = self.path.replace(name, repository.settings["moved"], 1)
            self.answer(307, b"", {"Location": location})
            return None
        if is_file and repository.settings.get("gated") and not self.is_known():
            status = 403 if "Authorization" in self.headers else 401
            self.refuse(status, "GatedRepo", f"Access to {kind[:-1]} {name} is restricted.")
            return None
        return repository

    def api(self, kind, parts, query):
        at = next((index for index, part in enumerate(parts) if index and part in ("revision", "tree", "paths-info")), len(parts))
        name, verb = "/".join(parts[:at]), parts[at] if at < len(parts) else "info"
        revision = parts[at + 1] if at + 1 < len(parts) else "main"
        repository = self.opened(kind, name)
        if repository is None:
            return None
        number = repository.number(revision)
        if number is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = repository.commits[number]
        if verb == "tree":
            return self.tree(repository, number, query)
        siblings = [{"rfilename": path} for path in files]
        if query.get("blobs"):
            for sibling in siblings:
                found = entry(sibling["rfilename"], files[sibling["rfilename"]])
                sibling.update(size=found["size"], blobId=found["oid"])
                if "lfs" in found:
                    sibling["lfs"] = {"sha256": found["lfs"]["oid"], "size": found["size"], "pointerSize": found["lfs"]["pointerSize"]}
        settings = repository.settings
        info = {"_id": "1", "id": name, "sha": repository.commit(number), "private": bool(settings.get("private")), "siblings": siblings}
        info.update(gated="auto" if settings.get("gated") else False, disabled=False, tags=[], downloads=0, likes=0)
        if kind == "models":
            info["modelId"] = name
        return self.answer(200, info)

    def tree(self, repository, number, query):
        key = f"{repository.kind}/{repository.id}"
        files = repository.commits[number]
        entries = STATE["listings"].get(key)
        if entries is None:
            folders = sorted({path.rsplit("/", 1)[0] for path in files if "/" in path})
            entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in folders]
            entries += [entry(path, file) for path, file in files.items()]
        start = int(query.get("cursor", ["0"])[0])
        page, headers = STATE["page"], {}
        if start + page < len(entries):
            path = self.path.partition("?")[0]
            more = urllib.parse.urlencode({"recursive": "true", "expand": "false", "cursor": start + page})
            headers["Link"] = f'<https://huggingface.co{path}?{more}>; rel="next"'
            if STATE.get("own_links", True):
                headers["Link"] = headers["Link"].replace("https://huggingface.co", f"http://127.0.0.1:{PORTS['hub']}")
        return self.answer(200, entries[start : start + page], headers)

    def resolve(self, kind, name, revision, path):
        repository = self.opened(kind, name, is_file=True)
        if repository is None:
            return None
        number = repository.number(revision)
        if number is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        commit = {"X-Repo-Commit": repository.commit(number)}
        file = repository.commits[number].get(path)
        if file is None:
            return self.answer(404, b"Entry not found", {**commit, "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        found = entry(path, file)
        if "lfs" not in found:
            # Small files are sent from another address of the same host.
            place = f"/api/resolve-cache/{kind}/{name}/{repository.commit(number)}/{urllib.parse.quote(path, safe='')}"
            headers = {**commit, "X-Linked-ETag": f'"{found["oid"]}"', "X-Linked-Size": str(found["size"]), "Location": place}
            return self.answer(307, b"Temporary Redirect", {**headers, "ETag": f'"{found["oid"]}"'})
        token = f"{random.getrandbits(64):016x}"
        with LOCK:
            SIGNED[token] = [file, STATE["expired"]]
        place = f"http://localhost:{PORTS['storage']}/xet-bridge/{found['lfs']['oid']}?X-Amz-Signature={token}&padding={'x' * 2500}"
        headers = {**commit, "X-Linked-ETag": f'"{found["lfs"]["oid"]}"', "X-Linked-Size": str(found["size"]), "Location": place}
        headers["X-Xet-Hash"] = found["xetHash"]
        headers["Link"] = f'<http://127.0.0.1:{PORTS["hub"]}/api/{kind}/{name}/xet-read-token/{repository.commit(number)}>; rel="xet-auth"'
        return self.answer(302, b"Found. Redirecting", headers)

    def resolve_cached(self, parts):
        """/api/resolve-cache/KIND/NAME/COMMIT/PATH"""
        kind, rest = parts[2], parts[3:]
        name, commit, path = "/".join(rest[:-2]), rest[-2], rest[-1]
        repository = self.opened(kind, name, is_file=True)
        if repository is None:
            return None
        number = repository.number(commit)
        data = content(repository.commits[number][path])
        headers = {"ETag": f'"{entry(path, repository.commits[number][path])["oid"]}"', "X-Repo-Commit": commit, "Content-Type": "text/plain; charset=utf-8"}
        return self.send_file(data, self.rule, headers)

    # MARK: Uploads

    def upload(self, body):
        path = self.path.partition("?")[0]
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path.startswith("/complete/"):
            return self.complete(path.removeprefix("/complete/"), json.loads(body))
        if path.startswith("/verify/"):
            asked = json.loads(body)
            found = UPLOADS.get(asked["oid"])
            is_whole = found is not None and len(found) == asked["size"]
            return self.answer(200, {}) if is_whole else self.refuse(404, None, "Not uploaded")
        if not self.is_known():
            return self.refuse(401, None, "Invalid credentials in Authorization header")
        if self.token() in STATE["readers"]:
            return self.refuse(403, None, "Forbidden: you must use a write token to upload to a repository.")
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        kind = "datasets" if path.startswith(("/datasets/", "/api/datasets/")) else "models"
        path = path.removeprefix("/api").removeprefix(f"/{kind}").strip("/")
        if path.endswith(".git/info/lfs/objects/batch"):
            repository = self.opened(kind, path.removesuffix(".git/info/lfs/objects/batch"))
            return repository and self.batch(json.loads(body))
        found = re.fullmatch(r"(.+)/(preupload|commit|branch)/([^/]+)", path)
        repository = found and self.opened(kind, found[1])
        if not found:
            return self.refuse(404, None, "Not found")
        return repository and self.change(repository, found[2], urllib.parse.unquote(found[3]), body)

    def change(self, repository, verb, revision, body):
        with LOCK:
            if verb == "branch":
                if repository.number(revision) is not None:
                    return self.refuse(409, None, "Reference already exists")
                settings = repository.settings
                references = dict(settings.get("references", {"main": len(repository.commits) - 1}))
                settings["references"] = {**references, revision: references["main"]}
                return self.answer(200, {})
            if repository.number(revision) is None:
                return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            if verb == "preupload":
                return self.preupload(repository, revision, json.loads(body))
            return self.commit(repository, revision, [json.loads(line) for line in body.splitlines()])

    def create(self, asked):
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        key = f"{asked.get('type') or 'model'}s/{name}"
        url = f"http://127.0.0.1:{PORTS['hub']}/{name}"
        if asked.get("organization") in STATE.get("closed", ["closed"]):
            return self.refuse(403, None, f"You don't have the rights to create a model under the namespace \"{asked['organization']}\"")
        with LOCK:
            if key in STATE["repositories"]:
                return self.answer(409, {"error": "You already created this model repo", "url": url})
            private = asked.get("private") or asked.get("visibility") == "private"
            attributes = {".gitattributes": {"text": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}}
            STATE["repositories"][key] = {"files": attributes, "private": bool(private)}
        return self.answer(200, {"url": url, "name": name, "id": "1"})

    def preupload(self, repository, revision, asked):
        files = repository.commits[repository.number(revision)]
        answers = []
        for file in asked["files"]:
            base64.b64decode(file["sample"], validate=True)
            large = file["size"] > 10_000_000 or file["path"].endswith((".safetensors", ".bin", ".gguf", ".parquet"))
            found = entry(file["path"], files[file["path"]]) if file["path"] in files else None
            oid = found and (found["lfs"]["oid"] if "lfs" in found else found["oid"])
            answers.append({
                "path": file["path"], "uploadMode": "lfs" if large else "regular", "oid": oid,
                "shouldIgnore": file["path"].endswith(STATE.get("ignored", ".ignored")),
            })
        return self.answer(200, {"files": answers, "commitOid": repository.commit(repository.number(revision))})

    def batch(self, asked):
        assert asked["operation"] == "upload" and asked["hash_algo"] == "sha256"
        objects, part = [], STATE.get("multipart")
        hub = f"http://127.0.0.1:{PORTS['hub']}" if STATE.get("own_links", True) else "https://huggingface.co"
        for wanted in asked["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            objects.append(answer)
            if wanted["oid"] in STATE.get("refused", []):
                answer["error"] = {"code": 422, "message": "too large for this account"}
                continue
            if wanted["oid"] in UPLOADS:
                continue
            token = f"{random.getrandbits(64):016x}"
            place = f"http://localhost:{PORTS['storage']}/upload/{wanted['oid']}/{token}"
            with LOCK:
                SIGNED[token] = [wanted, STATE["expired"]]
            upload = {"href": f"{place}?X-Amz-Signature={token}", "header": {"X-Storage": "yes"}}
            if part and wanted["size"] > part and "multipart" in asked["transfers"]:
                count = -(-wanted["size"] // part)
                with LOCK:
                    PARTS[token] = {}
                header = {"chunk_size": str(part)}
                header.update({f"{number:05d}": f"{place}/{number}?X-Amz-Signature={token}" for number in range(1, count + 1)})
                upload = {"href": f"{hub}/complete/{token}?uploadId=1", "header": header}
            answer["authenticated"] = True
            answer["actions"] = {"upload": upload}
            if STATE.get("verifies", True):
                answer["actions"]["verify"] = {"href": f"{hub}/verify/{wanted['oid']}", "header": {}}
        return self.answer(200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"})

    def complete(self, token, asked):
        with LOCK:
            parts, signed = PARTS.get(token), SIGNED.get(token)
            if parts is None or signed is None:
                return self.refuse(404, None, "NoSuchUpload")
            numbers = [part["partNumber"] for part in asked["parts"]]
            tags = [f'"{hashlib.md5(parts.get(number, b"")).hexdigest()}"' for number in numbers]
            data = b"".join(parts.get(number, b"") for number in numbers)
            if numbers != list(range(1, len(numbers) + 1)) or tags != [part["etag"] for part in asked["parts"]]:
                return self.refuse(400, None, "InvalidPart")
            if hashlib.sha256(data).hexdigest() != signed[0]["oid"] or asked["oid"] != signed[0]["oid"]:
                return self.refuse(400, None, "The checksum is another one")
            UPLOADS[asked["oid"]] = data
            del PARTS[token]
        return self.answer(200, {})

    def commit(self, repository, revision, lines):
        assert self.headers["Content-Type"] == "application/x-ndjson" and lines[0]["key"] == "header"
        if "rival" in self.rule:
            repository.add(revision, self.rule["rival"])
        parent = lines[0]["value"].get("parentCommit")
        if parent and repository.commit(repository.number(revision)) != parent:
            return self.refuse(412, None, "A commit has happened since. Please refresh and try again.")
        changes = {}
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                changes[value["path"]] = {"base64": value["content"]}
                base64.b64decode(value["content"], validate=True)
            elif value["oid"] not in UPLOADS:
                return self.refuse(400, None, f"{value['path']} was not uploaded")
            else:
                assert line["key"] == "lfsFile" and value["algo"] == "sha256" and len(UPLOADS[value["oid"]]) == value["size"]
                changes[value["path"]] = {"stored": value["oid"]}
        if not lines[0]["value"].get("summary"):
            return self.refuse(400, None, "A commit needs a summary")
        commit = repository.commit(repository.add(revision, changes))
        url = f"http://127.0.0.1:{PORTS['hub']}/{repository.id}"
        return self.answer(200, {"success": True, "commitOid": commit, "commitUrl": f"{url}/commit/{commit}", "hookOutput": ""})


class Storage(Handler):
    host = "storage"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if not self.begin():
            return None
        if "Authorization" in self.headers:
            # As S3: a signature in the address and a header are one too many.
            return self.answer(400, b"Only one auth mechanism allowed")
        query = urllib.parse.parse_qs(self.path.partition("?")[2])
        with LOCK:
            signed = SIGNED.get(query.get("X-Amz-Signature", [""])[0])
            if signed is None or signed[1] == 0:
                return self.answer(403, b"Request has expired")
            if signed[1] is not None:
                signed[1] -= 1
        data = content(signed[0])
        return self.send_file(data, self.rule, {"ETag": '"storage"'})

    def do_PUT(self):
        """/upload/CHECKSUM/TOKEN, and /NUMBER of a part."""
        self.rule = self.fault()
        size = int(self.headers["Content-Length"])
        stop = self.rule.get("cut_at", self.rule.get("stall_at", size))
        data = b""
        while len(data) < min(size, stop) and (piece := self.rfile.read(min(1 << 16, size - len(data), stop - len(data)))):
            data += piece
        if len(data) < size:
            self.note(0)
            self.close_connection = True
            if "stall_at" in self.rule:
                time.sleep(3600)
            return self.connection.shutdown(2)
        if "delay" in self.rule:
            time.sleep(self.rule["delay"])
        if "location" in self.rule:
            return self.answer(307, b"", {"Location": self.rule["location"]})
        if "status" in self.rule:
            return self.answer(self.rule["status"], b"", self.rule.get("headers", {}))
        return self.store(self.path.partition("?")[0].strip("/").split("/")[1:], data)

    def store(self, names, data):
        if "Authorization" in self.headers:
            return self.answer(400, b"Only one auth mechanism allowed")
        checksum, token, number = [*names, None][:3]
        with LOCK:
            signed = SIGNED.get(token)
            if signed is None or signed[1] == 0:
                return self.answer(403, b"Request has expired")
            if signed[1] is not None:
                signed[1] -= 1
            if number:
                PARTS[token][int(number)] = data
                return self.answer(200, b"", {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})
            if self.headers.get("X-Storage") not in ("yes", None) or hashlib.sha256(data).hexdigest() != checksum:
                return self.answer(400, b"XAmzContentSHA256Mismatch")
            UPLOADS[checksum] = data
        return self.answer(200, b"", {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})


def main():
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as stream:
            STATE.update(json.load(stream))
    servers = {"hub": Hub, "storage": Storage}
    for name, handler in servers.items():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        PORTS[name] = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(PORTS), flush=True)
    # Ends with whoever started it, however that ends.
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
