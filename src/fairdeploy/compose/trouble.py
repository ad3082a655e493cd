"""What ``docker compose`` complains of, with the line and what to do. Pure."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from fairdeploy.compose.file import Place
from fairdeploy.compose.places import broken, find_places

__all__ = ["explained", "unset_variables"]

_UNSET: Final = re.compile(r'The \\?"(\w+)\\?" variable is not set')
_PREFIX: Final = re.compile(r"^(?:validating [^:]*: *|invalid compose project: *|failed to parse [^:]*: *)")
_SUFFIX: Final = re.compile(r": invalid compose project$")
_PATH: Final = re.compile(r"\b((?:services|volumes|networks|secrets|configs)(?:\.[\w-]+)+)")
_SERVICE: Final = re.compile(r'service "([^"]+)"')
_LINE: Final = re.compile(r"line (\d+)")
_EXTRA: Final = re.compile(r"additional propert(?:ies|y) '?([\w.-]+)'? not allowed")
_QUOTED: Final = re.compile(r"(?:containerPort|hostPort|spec|Spec|proto|hostname|file): ?(\S+)")
_UNDEFINED: Final = re.compile(r"undefined (service|volume|network|secret|config) \"?([\w.-]+)\"?")
_SECRET: Final = re.compile(r"(?i)pass|secret|token|key|credential|private|dsn|url")
_SHORTEST: Final = 5

_KEYS: Final = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name
cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment
expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation
label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models
network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop
privileged profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size
stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user
userns_mode uts volumes volumes_from working_dir
"""
"""What the Compose specification knows of a service."""
_TOP: Final = "name version services networks volumes secrets configs include models"

_REMEDIES: Final = (
    (re.compile(r"neither an image nor a build context"), "give the service an 'image' or a 'build'"),
    (
        re.compile(r"refers to undefined (\w+)"),
        "declare it at the top level of the file, or correct the name",
    ),
    (re.compile(r"depends on undefined service"), "declare the service, or take it out of 'depends_on'"),
    (re.compile(r"dependency cycle"), "take one of these out of the other's 'depends_on'"),
    (re.compile(r"is missing a value"), "set it in the environment or in '.env' beside the file"),
    (re.compile(r"interpolation format"), "write '$$' for a dollar sign of your own, and close every '${'"),
    (re.compile(r"env file .* not found"), "make the file, or write 'required: false' beside its path"),
    (re.compile(r"already defined"), "keep one of the two"),
    (re.compile(r"empty compose file"), "declare at least one service below 'services'"),
    (re.compile(r"containerPort|hostPort"), "write ports as '8000' or '80:8000'"),
    (re.compile(r"container name must be unique"), "take out 'container_name', or the replicas"),
    (re.compile(r"no such file"), "see that what the file extends or includes is there"),
)


def unset_variables(stderr: str) -> tuple[str, ...]:
    """Return the variables that Compose warned of, in order of name."""
    return tuple(sorted(set(_UNSET.findall(stderr))))


def explained(stderr: str, texts: Mapping[str, str]) -> str:
    """Return what is wrong with the files in one sentence: where, what, and what to do.

    Args:
        stderr: What Compose said.
        texts: The files by path, in the order in which they are merged.
    """
    for file, text in texts.items():
        if found := broken(file, text):
            return f"{found[0]}: this is no YAML ({found[1]}): correct the indentation or the quotes there"
    said = _hushed(_message(stderr), texts)
    unset = unset_variables(stderr)
    place = _place(said, texts) or _used(unset, texts)
    where = str(place) if place else ", ".join(texts)
    remedy = _remedy(said)
    hint = (
        f"; not set, and read as nothing: {', '.join(unset)}: set them in '.env' or the environment"
        if unset
        else ""
    )
    return f"{where}: {said}" + (f": {remedy}" if remedy else "") + hint


def _message(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "level=warning" not in line]
    text = " ".join(lines)[:2_000] or "docker compose refused it and gave no reason"
    return _SUFFIX.sub("", _PREFIX.sub("", text)).strip()


def _hushed(said: str, texts: Mapping[str, str]) -> str:
    """Hide values that came from variables: what stands in the file itself may be quoted."""
    for name, value in os.environ.items():
        long_enough = len(value) >= _SHORTEST and value in said
        if long_enough and _SECRET.search(name) and not any(value in text for text in texts.values()):
            said = said.replace(value, f"${{{name}}}")
    return said


def _place(said: str, texts: Mapping[str, str]) -> Place | None:
    by_path = {file: find_places(file, text) for file, text in texts.items()}
    last = [*texts, ""][len(texts) - 1]
    if (extra := _EXTRA.search(said)) and not _PATH.search(said):
        return next((p[extra[1]] for p in by_path.values() if extra[1] in p), None)
    for path in _paths(said):
        for places in reversed(by_path.values()):
            if found := _deepest(places, path):
                return found
    if line := _LINE.search(said):
        return Place(last, int(line[1]))
    return _quoted(said, texts)


def _paths(said: str) -> list[str]:
    """Return dotted paths that a message is about, the most exact first."""
    found: list[str] = []
    if path := _PATH.search(said):
        extra = _EXTRA.search(said)
        found.append(f"{path[1]}.{extra[1]}" if extra else path[1])
    if service := _SERVICE.search(said):
        undefined = _UNDEFINED.search(said)
        part = {"service": "depends_on"}.get(undefined[1], f"{undefined[1]}s") if undefined else ""
        found.append(f"services.{service[1]}.{part}".rstrip("."))
    if cycle := re.search(r"cycle detected: ([\w.-]+)", said):
        found.append(f"services.{cycle[1]}.depends_on")
    return found


def _deepest(places: Mapping[str, Place], path: str) -> Place | None:
    while "." in path:  # the section alone would say nothing
        if path in places:
            return places[path]
        path = path.rpartition(".")[0]
    return None


def _quoted(said: str, texts: Mapping[str, str]) -> Place | None:
    """Return the only line on which something that is quoted stands."""
    names = [match.strip("'\",") for match in _QUOTED.findall(said)]
    names += [os.path.basename(word.strip(":'\",")) for word in said.split() if "/" in word]  # noqa: PTH119 -- of a word, which need be no path
    return next(filter(None, (_only(name, texts) for name in names if name)), None)


def _used(unset: Sequence[str], texts: Mapping[str, str]) -> Place | None:
    """Return the only line that uses a variable which nobody has set."""
    return _only(f"${{{unset[0]}", texts) or _only(f"${unset[0]}", texts) if unset else None


def _only(part: str, texts: Mapping[str, str]) -> Place | None:
    lines = [
        Place(file, number)
        for file, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if part in line
    ]
    return lines[0] if len(lines) == 1 else None


def _remedy(said: str) -> str:
    if extra := _EXTRA.search(said):
        path = _PATH.search(said)
        known = _KEYS if path and path[1].count(".") == 1 else "" if path else _TOP
        near = difflib.get_close_matches(extra[1], known.split(), n=1, cutoff=0.6)
        return f"did you mean {near[0]!r}?" if near else "take it out, or call it 'x-...' if it is yours"
    return next((remedy for pattern, remedy in _REMEDIES if pattern.search(said)), "")
