"""Become a program that is kept, from a file that says how. Standard library only.

``python launch.py <spec.json>`` builds the environment, moves to the working directory and replaces
itself, so that the process id is the application's own. A keeper therefore never sees a secret: the
files that it writes name the spec, the spec names where a secret is, and the value goes from there
straight into the environment of the application.

Keys of the spec: ``argv``, ``cwd``, ``env`` (the whole environment), and for instances ``values``
(what the placeholders stand for), ``secrets`` (variable to ``{"path", "key"}``; without a key the file's
content is the value), ``run`` (file for pid, start time, boot, port and number of starts), ``ready``
(file that exists once the instance has been ready), ``log`` and ``log_bytes`` (where its output goes) and ``result`` (a job: run once, and write how it ended).
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sys

__all__ = ["boot_id", "fill", "free_port", "main", "start_time"]

_LOWEST = 15_000
_PLACE = re.compile(r"\{(port|uds|config|revision|instance)\}")
_MARK = "FAIRDEPLOY_KEEPER"
_INTERRUPTED = 125


def boot_id() -> str:
    """Return what tells this run of the machine from any other."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 -- pathlib costs 10 ms at start
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot, or ``None`` if there is none (a zombie is none)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 -- see boot_id
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """Return a loopback port that nobody listens on, below the range of outgoing connections if there is room.

    A port within that range could be taken by any outgoing connection while its instance restarts.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:  # noqa: PTH123 -- see boot_id
        top = int(file.read().split()[0]) - 1
    draw = random.SystemRandom()
    for _ in range(200 if top - _LOWEST > 1_000 else 0):
        port = draw.randint(_LOWEST, top)
        if port not in avoid and _free(port):
            return port
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return port


def fill(text: str, values: dict[str, str]) -> str:
    """Replace the placeholders that have a value; the others, and any other braces, stay."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text)


def _write(path: str, value: object) -> None:
    part = f"{path}.{os.getpid()}.part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)  # noqa: PTH105 -- see boot_id


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 -- see boot_id
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _secret(where: dict[str, str]) -> str:
    with open(where["path"], encoding="utf-8") as file:  # noqa: PTH123 -- see boot_id
        text = file.read()
    return str(json.loads(text)[where["key"]]) if "key" in where else text.removesuffix("\n")


def _announce(spec: dict[str, object], values: dict[str, str]) -> None:
    """Write down which process this is, how often it was started, and on which port."""
    run = str(spec["run"])
    before = _read(run)
    if "port" in values:
        port = int(str(before.get("port", values["port"])))
        # Somebody else got the port first. Once the router knows it, it must not change any more.
        if not _free(port) and not os.path.exists(str(spec["ready"])):  # noqa: PTH110 -- see boot_id
            port = free_port(frozenset({port}))
        values["port"] = str(port)
    pid = os.getpid()
    _write(
        run,
        {
            "pid": pid,
            "start": start_time(pid),
            "boot": boot_id(),
            "starts": int(str(before.get("starts", 0))) + 1,
            "port": int(values["port"]) if "port" in values else None,
        },
    )


def _once(argv: list[str], env: dict[str, str], result: str) -> int:
    """Run a job that must not run twice, and write how it ended where it outlives everybody."""
    began = f"{result}.began"
    try:
        os.close(os.open(began, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return _INTERRUPTED
    child = os.posix_spawnp(argv[0], argv, env)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the whole group is asked; the job decides
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _write(result, {"exit_code": code})
    return code if code >= 0 else 128 - code


def _log(path: str, most: int) -> None:
    """Give this process a log that stays bounded: written by a child, which ends with the last writer."""
    ours, theirs = os.pipe()
    if os.fork():
        os.close(ours)
        os.dup2(theirs, 1)
        os.dup2(theirs, 2)
        os.close(theirs)
        return
    os.close(theirs)
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        signal.signal(number, signal.SIG_IGN)  # the last words come after the signal
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while part := os.read(ours, min(65_536, max(most // 2, 1))):
        if os.fstat(file).st_size + len(part) > most // 2:
            os.close(file)
            os.replace(path, f"{path}.1")  # noqa: PTH105 -- see boot_id
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, part)
    os._exit(0)


def main(path: str) -> int:
    """Become what the spec says. Returns only for a job, or if the program cannot be run."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 -- see boot_id
        spec = json.load(file)
    if "log" in spec:
        _log(spec["log"], spec["log_bytes"])
    values: dict[str, str] = dict(spec.get("values", {}))
    if "uds" in values and os.path.exists(values["uds"]):  # noqa: PTH110 -- see boot_id
        os.unlink(values["uds"])  # noqa: PTH108 -- what a killed instance has left keeps the next from listening
    if "run" in spec:
        _announce(spec, values)
    env = {key: fill(value, values) for key, value in spec["env"].items()}
    try:
        env.update({key: _secret(where) for key, where in spec.get("secrets", {}).items()})
    except (OSError, ValueError, KeyError) as error:
        print(f"fairdeploy: a secret cannot be read: {type(error).__name__}", file=sys.stderr)  # noqa: T201 -- a program
        return 78
    if _MARK in os.environ:
        env[_MARK] = os.environ[_MARK]
    argv = [fill(word, values) for word in spec["argv"]]
    try:
        os.chdir(spec["cwd"])
        if "result" in spec:
            return _once(argv, env, spec["result"])
        os.environ["PATH"] = env.get("PATH", os.defpath)
        os.execvpe(argv[0], argv, env)  # noqa: S606 -- argv list, no shell
    except OSError as error:
        print(f"fairdeploy: {argv[0]!r} cannot be run: {error}", file=sys.stderr)  # noqa: T201 -- a program
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
