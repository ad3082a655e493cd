"""Images for tests, made without any registry: the very interpreter that runs the tests, and packages of its environment.

An image holds no distribution: the interpreter, its standard library, the shared libraries that both ask for, and the
packages that are named. Where Debian's `busybox-static` is installed, it has `/bin/sh` and its tools as well.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["APPLICATION", "envoy_image", "image", "postgres_image", "python_image"]

APPLICATION = ("uvicorn[standard]", "websockets", "sniffio", "anyio")
"""What the applications of `fairdeploy.testing.apps` stand on."""
_SITE = "/site"
_BUSYBOX = Path("/bin/busybox")
_SHELL = (
    "sh",
    "cat",
    "ls",
    "sleep",
    "wget",
    "nc",
    "kill",
    "ps",
    "env",
    "touch",
    "true",
    "false",
    "id",
    "df",
    "echo",
)
_SECONDS = 280.0


def python_image(*packages: str, folder: Path, more: Mapping[str, Path] | None = None) -> str:
    """Make an image with Python, `fairdeploy` and packages, unless the engine has it; return its tag.

    Args:
        packages: Requirements, such as `uvicorn[standard]`; what they require comes with them. They must be installed here.
        folder: For what is written on the way.
        more: Other files, and where each goes.
    """
    files = {**_interpreter(), **_packages(packages), **_own(), **_shell(), **(more or {})}
    files |= {str(path): path for path in _shared(files.values())}
    settings = {"Env": [f"PYTHONPATH={_SITE}", "PATH=/usr/bin:/bin", "PYTHONUNBUFFERED=1"]}
    links = {"/usr/bin/python3": str(_python())} | _tools()
    return _compiled(image("python", files, folder, settings=settings, links=links))


def _compiled(tag: str) -> str:
    """Add the byte code, which else every start would make again: seconds on a busy machine."""
    compiled = f"{tag}-compiled"
    if _has(compiled):
        return compiled
    name = f"fairdeploy-test-compile-{os.getpid()}"
    library = str(Path(sys.base_prefix) / "lib" / f"python3.{sys.version_info.minor}")
    compiling = ("python3", "-m", "compileall", "-q", "-x", "lib2to3", _SITE, library)
    try:
        subprocess.run(["docker", "run", "--name", name, tag, *compiling], check=False, timeout=_SECONDS)
        subprocess.run(
            ["docker", "commit", "--change", "CMD []", name, compiled],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=_SECONDS)
    return compiled


def _has(tag: str) -> bool:
    return (
        subprocess.run(["docker", "image", "inspect", tag], check=False, capture_output=True).returncode == 0
    )


def postgres_image(programs: Path, folder: Path) -> str:
    """Make an image with PostgreSQL's programs in `/postgres`, run by `nobody`; return its tag.

    Args:
        programs: The installation that holds `bin`, `lib` and `share`.
        folder: For what is written on the way.
    """
    files = {f"/postgres/{path.relative_to(programs)}": path for path in _files(programs)} | _shell()
    beside = programs.parent.parent / f"{programs.parent.name}.libs"
    files |= {f"/{beside.name}/{path.name}": path for path in _files(beside)}
    files |= {str(path): path for path in _shared(files.values())}
    settings = {"Env": ["PATH=/postgres/bin:/bin"], "User": "65534"}
    return image("postgres", files, folder, settings=settings, links=_tools())


def envoy_image(program: Path, folder: Path) -> str:
    """Make an image with Envoy where its project's own image has it; return its tag.

    Args:
        program: Envoy on this machine.
        folder: For what is written on the way.
    """
    files = {"/usr/local/bin/envoy": program}
    return image("envoy", files | {str(path): path for path in _shared([program])}, folder, settings={})


def image(
    name: str,
    files: Mapping[str, Path],
    folder: Path,
    *,
    settings: Mapping[str, object],
    links: Mapping[str, str] | None = None,
) -> str:
    """Make an image of files, unless the engine has it; return its tag, which names its content.

    Args:
        name: Of what it holds.
        files: Where each goes, and from where.
        folder: For what is written on the way.
        settings: Of the image, such as `Env`, as the engine spells them.
        links: Symbolic links, and where they point.
    """
    links = links or {}
    content = hashlib.sha256(json.dumps([settings, sorted(links.items())], sort_keys=True).encode())
    for place, path in sorted(files.items()):
        content.update(f"{place} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    tag = f"fairdeploy-test/{name}:{content.hexdigest()[:12]}"
    if _has(tag):
        return tag
    archive = folder / f"{name}-{os.getpid()}.tar"
    try:
        _write(archive, files, links)
        changes = [part for change in _changes(settings) for part in ("--change", change)]
        argv = ["docker", "import", *changes, str(archive), tag]
        ran = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=_SECONDS)
        assert ran.returncode == 0, f"docker import exited with {ran.returncode}: {ran.stderr}"
    finally:
        archive.unlink(missing_ok=True)
    return tag


def _changes(settings: Mapping[str, object]) -> Iterator[str]:
    for key, value in settings.items():
        if key == "Env":
            assert isinstance(value, list)
            yield from (f"ENV {setting}" for setting in value)
        else:
            yield f"{key.upper()} {value if isinstance(value, str) else json.dumps(value)}"


def _write(archive: Path, files: Mapping[str, Path], links: Mapping[str, str]) -> None:
    with tarfile.open(archive, "w", dereference=True) as tar:
        for place in ("tmp", "run", "var/run", "data"):
            entry = tarfile.TarInfo(place)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        users = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n"
        for place, text in (("etc/passwd", users), ("etc/group", "root:x:0:\nnogroup:x:65534:\n")):
            entry = tarfile.TarInfo(place)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
        for place, path in sorted(files.items()):
            tar.add(path, place.lstrip("/"), recursive=False)
        for place, where in sorted(links.items()):
            entry = tarfile.TarInfo(place.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, where
            tar.addfile(entry)


def _shell() -> dict[str, Path]:
    return {str(_BUSYBOX): _BUSYBOX} if _BUSYBOX.exists() else {}


def _tools() -> dict[str, str]:
    return {f"/bin/{name}": "/bin/busybox" for name in _SHELL} if _BUSYBOX.exists() else {}


def _python() -> Path:
    return (Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}").resolve()


def _interpreter() -> dict[str, Path]:
    library = Path(sys.base_prefix) / "lib" / f"python3.{sys.version_info.minor}"
    without = {"test", "site-packages", "idlelib", "tkinter", "turtledemo", "ensurepip", "dist-packages"}
    files = {str(path): path for path in _files(library) if path.relative_to(library).parts[0] not in without}
    return files | {str(_python()): _python()}


def _own() -> dict[str, Path]:
    import fairdeploy  # noqa: PLC0415 -- only to find it

    assert fairdeploy.__file__
    source = Path(fairdeploy.__file__).parent
    return {f"{_SITE}/fairdeploy/{path.relative_to(source)}": path for path in _files(source)}


def _packages(wanted: Iterable[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name in _closure(wanted):
        for file in distribution(name).files or ():
            path = Path(str(file.locate()))
            if path.exists() and ".." not in file.parts and "__pycache__" not in file.parts:
                files[f"{_SITE}/{file}"] = path
    return files


def _closure(wanted: Iterable[str]) -> set[str]:
    """Name what is wanted and all that it requires, as far as it is installed."""
    found: set[str] = set()
    ahead = [Requirement(text) for text in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while ahead:
        requirement = ahead.pop()
        key = (re.sub(r"[-_.]+", "-", requirement.name).lower(), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            requires = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        found.add(key[0])
        for text in requires:
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in ("", *key[1])
            ):
                ahead.append(needed)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*") if folder.exists() else ():
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _shared(files: Iterable[Path]) -> set[Path]:
    """Name the shared libraries that programs and libraries ask for, but those that come with them."""
    found: set[Path] = set()
    own = {path.resolve() for path in files}
    programs = [path for path in own if _is_elf(path)]
    for path in programs:
        told = subprocess.run(
            ["ldd", str(path)], check=False, capture_output=True, text=True, timeout=_SECONDS
        ).stdout
        found |= {Path(name) for name in re.findall(r"(/\S+) \(0x", told)}
    return {path for path in found if path.resolve() not in own}


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
