"""Runs functions of the user's for Apus, away from the run itself. Needs nothing but the standard library.

The process that starts here watches; its child loads the user's files and calls their functions. So nothing that the
functions do (exit, fork, hang, start daemons) gets past the watcher, which ends all of them when the run says so or is
gone. Descriptor 0 is a socket for requests and replies, 1 one that says "stop" by closing and carries the cause of the
child's end, 2 the log. The functions see an empty standard input, and what they print goes to the log.

A message is 4 bytes of length, big-endian, and as many bytes of JSON.
"""

import inspect
import json
import math
import numbers
import os
import select
import signal
import socket
import sys
import time
import traceback
import types

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


# What functions are called for, by name: files that follow this one add to it.
HANDLERS = {}


def main():
    requests = socket.socket(fileno=os.dup(0))
    control = socket.socket(fileno=os.dup(1))
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    reset_signals()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    watcher = os.getpid()
    child = os.fork()
    if child == 0:
        control.close()
        os.setsid()  # No terminal, and no signals from one.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == watcher:
            serve(requests)
        os._exit(0)
    requests.close()
    watch(control, child)


def reset_signals():
    """What a run ignores or blocks, the functions and what they start need not: a time limit of their own is an alarm."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Those that Python ignores by itself stay so.
    own = {getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)}
    for number in signal.valid_signals() - own:
        try:
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            pass


def prctl(option, value):
    """Linux alone knows these; elsewhere the process group has to do."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


# The watcher ---------------------------------------------------------------------------------------------------------


def watch(control, child):
    """Waits for the child or the run to end, ends all that is left, and reports how the child ended."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    status = reap(child)
    while status is None:
        # The run never sends anything here: readable means closed.
        ready, _, _ = select.select([control, woken], [], [], 1.0)
        if control in ready:
            # A child that is just ending closes its descriptors first.
            for _ in range(10):
                status = status if status is not None else reap(child)
                time.sleep(0.005 if status is None else 0)
            break
        if woken in ready:
            os.read(woken, 4096)
        status = reap(child)
    stop_descendants(child)
    cause = {}
    if status is not None:
        if os.WIFSIGNALED(status):
            cause = {"signal": signal.Signals(os.WTERMSIG(status)).name}
        else:
            cause = {"status": os.WEXITSTATUS(status)}
    try:
        send(control, cause)
    except OSError:
        pass  # The run is gone.
    os._exit(0)


def reap(child):
    """Collects everything that ended, adopted orphans too; the child's status if it was among them."""
    status = None
    try:
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return status
            if pid == child:
                status = ended
    except ChildProcessError:
        return status


def stop_descendants(child):
    """Ends every process below this one. Orphans are adopted by this process, so `setsid` is no way out."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = descendants()
        if found is None:
            try:
                os.killpg(child, signal.SIGKILL)
            except OSError:
                pass
            return
        if not found:
            return
        # First all are stopped, so that none can fork away from the killing.
        for action in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                try:
                    os.kill(pid, action)
                except OSError:
                    pass
        reap(child)
        time.sleep(0.005)


def descendants():
    """The processes below this one, without those that ended; None where there is no /proc."""
    children = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return None
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if state not in (b"Z", b"X"):
            children.setdefault(int(parent), []).append(int(name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


# The child: messages -------------------------------------------------------------------------------------------------


def serve(requests):
    own = os.getpid()
    functions = []
    # A module that a name begins with is looked for where the run was started.
    sys.path.insert(0, os.getcwd())
    send(requests, {"python": sys.version.split()[0]})
    while True:
        request = receive(requests)
        if request is None:
            return
        if "load" in request:
            limit_resources(request)
            reply = load_all(request["load"], functions)
        else:
            reply = HANDLERS[request["call"]](request, functions, requests)
        if os.getpid() != own:
            os._exit(0)  # A function forked and both returned.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        send(requests, reply)


def send(stream, message):
    data = json.dumps(message, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
    stream.sendall(len(data).to_bytes(4, "big") + data)


def receive(stream):
    header = receive_exactly(stream, 4)
    if header is None:
        return None
    data = receive_exactly(stream, int.from_bytes(header, "big"))
    return None if data is None else json.loads(data)


def receive_exactly(stream, count):
    parts = []
    while count > 0:
        part = stream.recv(min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def limit_resources(request):
    """Bounds what the functions may take from the machine, as far as it lets one."""
    try:
        # Whatever happens, the kernel should not end the run to make room for its rewards.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return
    limits = [("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", request.get("file_limit"))]
    limits += [("RLIMIT_AS", request.get("memory_limit")), ("RLIMIT_NPROC", process_limit(request))]
    for name, value in limits:
        if value is None or not hasattr(resource, name):
            continue
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            pass


def process_limit(request):
    """The limit counts all threads of the user, so those that are there already come on top."""
    count = 0
    try:
        for name in os.listdir("/proc"):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
    except OSError:
        pass
    return count + request["process_limit"] if count else None


# The child: loading --------------------------------------------------------------------------------------------------


class Refusal(Exception):
    """What is wrong, in words for the user."""


def load_all(wanted, functions):
    sys.dont_write_bytecode = True
    loaded = []
    for index, entry in enumerate(wanted):
        try:
            function = find(entry)
            functions.append(function)
            loaded.append(signature_of(function))
        except Refusal as refusal:
            return {"refused": index, "reason": str(refusal)}
        except BaseException as error:
            complain(error)
            return {"refused": index, "reason": "loading it " + described(error)}
    return {"loaded": loaded}


def find(entry):
    module = load_file(entry["file"]) if "file" in entry else load_module(entry["module"])
    value = module
    for part in entry["name"].split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise Refusal(f"it has no '{entry['name']}'{suggestion(module, part)}") from None
    if not callable(value):
        raise Refusal(f"'{entry['name']}' is {shown(value)}, not a function")
    if inspect.isclass(value):
        raise Refusal(f"'{entry['name']}' is a class; name a function, or an instance of it that can be called")
    return value


def suggestion(module, name):
    own = [
        key
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    return "; its functions are " + ", ".join(own) if own else "; it defines no functions"


def load_file(path):
    import importlib.util

    package = package_of(path)
    if package is not None:
        root, name = package
        if root not in sys.path:
            sys.path.insert(0, root)
        return load_module(name)
    name = os.path.splitext(os.path.basename(path))[0]
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == path:
        return loaded
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if loaded is not None:
        name = "apus_rewards_" + name
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def package_of(path):
    """The folder above the package that a file is part of, and its name from there; None for a file on its own."""
    folder, parts = os.path.dirname(path), [os.path.splitext(os.path.basename(path))[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.basename(folder).isidentifier():
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    if len(parts) == 1 or not parts[-1].isidentifier():
        return None
    return folder, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def load_module(name):
    import importlib

    return importlib.import_module(name)


def signature_of(function):
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"


# The child: calling --------------------------------------------------------------------------------------------------


def named(function, arguments):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return arguments
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return arguments
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {key: value for key, value in arguments.items() if key in names}


async def awaited(result):
    return await result


loops = []


def event_loop():
    """One for the life of the process: a client or a semaphore that a function keeps belongs to the loop that it met first."""
    if not loops:
        import asyncio

        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[0])
    return loops[0]


def plain(value):
    """The Python number in a NumPy scalar or a tensor of one element."""
    item = getattr(value, "item", None)
    if callable(item):
        try:
            return item()
        except (TypeError, ValueError, RuntimeError):
            pass
    return value


# The child: words ----------------------------------------------------------------------------------------------------


def shown(value):
    try:
        text = repr(value)
    except Exception:
        text = "..."
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def described(error):
    """What was raised, and where in the user's code."""
    if isinstance(error, SystemExit):
        text = f"called exit({'' if error.code is None else repr(error.code)})"
    elif isinstance(error, SyntaxError):
        return f"found a syntax error: {error.msg} ({os.path.basename(error.filename or '?')}, line {error.lineno})"
    elif isinstance(error, MemoryError):
        text = "needed more memory than reward_memory_limit allows"
    else:
        text = f"raised {type(error).__name__}: {error}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return text + (f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else "")


def is_users(filename):
    return not filename.startswith(("<", sys.prefix, sys.base_prefix)) and "importlib" not in filename


complained = set()


def complain(error):
    """The whole traceback goes to the log, once for each kind of error."""
    if described(error) not in complained and len(complained) < 20:
        complained.add(described(error))
        traceback.print_exception(type(error), error, error.__traceback__)
