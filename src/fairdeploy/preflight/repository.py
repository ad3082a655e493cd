"""Whether secrets stand in the repository that a release is deployed from: a bounded look at what git tracks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import anyio

from fairdeploy.errors import Unbound
from fairdeploy.model import Aspect, Finding, Severity
from fairdeploy.protocols import Validation
from fairdeploy.validation import seriousness, why_placeholder

if TYPE_CHECKING:
    from fairdeploy.protocols import Scene

__all__ = ["repository"]

_NAMES = re.compile(
    r"""(?ix) ^(?:
        \.env(?:\.(?!example$|sample$|template$|dist$|defaults?$|schema$)[\w.-]+)?
        | [\w.-]+\.env
        | id_(?:rsa|dsa|ecdsa|ed25519) | [\w.-]+\.(?:p12|pfx|kdbx|jks|keystore)
        | \.pgpass | \.netrc | \.htpasswd | credentials\.json | service[-_]account.*\.json
    )$"""
)
"""Files that hold secrets, and have no business in a repository. ``.pem`` and ``.key`` are looked into."""
_KEYS = re.compile(r"(?i)\.(?:pem|key)$")
_EXAMPLE = re.compile(r"(?i)(?:^|[._-])(?:example|sample|template|dist)(?:[._-]|$)")
_PRIVATE = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_GIT = 8.0
_SHORTEST = 8
"""A secret shorter than this would be found by chance."""
_SHOWN = 5


def repository(folder: Path | None = None) -> Validation:
    """Return a validation that looks whether secrets stand in a git repository.

    It looks at the names of tracked files, into tracked keys, for the values of this release's secrets in tracked
    files, and for ``.env`` files that history still holds. Where there is no git or no repository, there is nothing
    to look at.

    Args:
        folder: In the repository; ``None``: this program's working directory.
    """

    async def look(scene: Scene) -> Sequence[Finding]:
        git = shutil.which("git")
        if git is None:
            return ()
        root = await _git(git, folder or Path.cwd(), "rev-parse", "--show-toplevel")
        if not root:
            return ()
        top = Path(root.decode(errors="surrogateescape").rstrip("\n"))
        listed = await _git(git, top, "ls-files", "-z")
        tracked = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        values = _values(scene)
        names = [*_named(tracked), *await anyio.to_thread.run_sync(_keys, top, tracked)]
        copies = await _copies(git, top, values)
        past = [] if names else await _past(git, top)
        return _findings(scene, top, names=sorted(set(names)), copies=copies, past=past)

    return Validation("repository", aspect=Aspect.SECRETS, look=look, deadline=4 * _GIT + 2)


async def _git(git: str, folder: Path, *words: str, given: bytes = b"") -> bytes:
    """Run git, reading only; nothing where it fails or takes too long."""
    # No pager, no prompt, no lock; a repository's own configuration runs no program of its own in these verbs.
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    with anyio.move_on_after(_GIT):
        done = await anyio.run_process(
            [git, "-c", "core.fsmonitor=false", "--no-pager", *words],
            cwd=folder,
            input=given,
            stderr=subprocess.DEVNULL,
            check=False,
            env=env,
        )
        return done.stdout if done.returncode == 0 else b""
    return b""


def _values(scene: Scene) -> Mapping[str, str]:
    """Return the secrets that can be searched for. They go to git by a pipe, never as an argument."""
    found: dict[str, str] = {}
    for name, secret in scene.release.secrets.items():
        try:
            value = secret.resolve().strip()
        except Unbound:
            continue  # said by the validation of the secret itself
        if len(value) >= _SHORTEST and "\n" not in value and why_placeholder(value) is None:
            found[name] = value
    return found


def _named(tracked: Sequence[str]) -> list[str]:
    return [path for path in tracked if _NAMES.match(PurePosixPath(path).name) and not _EXAMPLE.search(path)]


def _keys(top: Path, tracked: Sequence[str]) -> list[str]:
    """Return tracked private keys. Blocks."""
    found = []
    for path in [path for path in tracked if _KEYS.search(path)][:200]:
        try:
            with (top / path).open("rb") as file:
                if _PRIVATE.search(file.read(65_536)):
                    found.append(path)
        except OSError:
            continue  # tracked, but not there
    return found


async def _copies(git: str, top: Path, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return which secret's value stands in which tracked file."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        listed = await _git(
            git, top, "grep", "-l", "-z", "-F", "-I", "-f", "/dev/stdin", given=f"{value}\n".encode()
        )
        found += [(name, os.fsdecode(path)) for path in listed.split(b"\0") if path]
    return found


async def _past(git: str, top: Path) -> list[str]:
    """Return ``.env`` files that were tracked once: whoever has the repository can read them."""
    listed = await _git(
        git, top, "log", "--all", "-n", "20", "--diff-filter=D", "--name-only", "--format=", "-z",
        "--", ":(glob)**/.env", ":(glob)**/.env.production", ":(glob)**/*.p12", ":(glob)**/id_rsa",
    )  # fmt: skip  # verb and pathspecs, apart
    return sorted({os.fsdecode(path).strip() for path in listed.split(b"\0") if path.strip()})


def _findings(
    scene: Scene, top: Path, *, names: Sequence[str], copies: Sequence[tuple[str, str]], past: Sequence[str]
) -> list[Finding]:
    found = [
        Finding(
            "repository",
            aspect=Aspect.SECRETS,
            severity=seriousness(scene.target),
            passed=False,
            message=f"the value of secret {name!r} stands in {path!r}, which git tracks in {str(top)!r}",
            remedy="make a new secret (this one is known to whoever has the repository), and take it out of the file",
        )
        for name, path in copies[:_SHOWN]
    ]
    if names:
        found.append(
            Finding(
                "repository",
                aspect=Aspect.SECRETS,
                severity=Severity.WARNING,
                passed=False,
                message=f"git tracks files that hold secrets in {str(top)!r}: {_listed(names)}",
                remedy="git rm --cached them, name them in .gitignore, and make new secrets",
            )
        )
    if past:
        found.append(
            Finding(
                "repository",
                aspect=Aspect.SECRETS,
                severity=Severity.WARNING,
                passed=False,
                message=f"the history of {str(top)!r} still holds {_listed(past)}",
                remedy="make new secrets: a deleted file is still in every clone",
            )
        )
    if not found:
        found.append(
            Finding(
                "repository",
                aspect=Aspect.SECRETS,
                severity=seriousness(scene.target),
                passed=True,
                message=f"git tracks no secret in {str(top)!r}, as far as names and values tell",
            )
        )
    return found


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(repr, paths[:_SHOWN])) + more
