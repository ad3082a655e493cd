"""The gate: `uvx nox` runs all that must hold before a change lands; `uvx nox --list` says what else there is.

uv makes the environments from `uv.lock`. `uvx` tells nox where uv is, so it need not be on PATH.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "tests", "machine", "proof", "examples", "docs", "package", "audit"]

ROOT = Path(__file__).parent
CODE = [
    name
    for name in ("src", "tests", "examples", "benchmarks", "docs/conf.py", "noxfile.py")
    if (ROOT / name).exists()
]


def sync(session: nox.Session, *groups: str) -> None:
    """Make the session's environment exactly what the lock file says for these groups."""
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--quiet",
        "--all-extras",
        "--no-default-groups",
        *(f"--group={group}" for group in groups),
        f"--python={session.virtualenv.location}",
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


def scripts(folder: str) -> list[str]:
    """List the programs in a folder; what begins with an underscore is a part of others."""
    paths = sorted((ROOT / folder).glob("*.py"))
    return [str(path.relative_to(ROOT)) for path in paths if not path.name.startswith("_")]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and the direction of every import."""
    sync(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo", "--no-cache")  # a cached graph misses new modules


@nox.session
def types(session: nox.Session) -> None:
    """Check types, by two checkers."""
    sync(session, "dev")
    session.run("mypy", *CODE)
    session.run("pyright", f"--pythonpath={session.virtualenv.location}/bin/python", *CODE)


DAILY = "not nightly and not proof"
TOGETHER = [
    f"tests/{folder}"
    for folder in (
        "analysis",
        "contracts",
        "engine",
        "machine",
        "model",
        "patterns",
        "strategies",
        "testing",
        "validation",
    )
]
"""Folders whose tests start nothing that others could disturb: they run on all cores at once. The others run alone."""


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test but the nightly ones, on the Python that runs nox; `-- ...` goes to pytest, for a part of them."""
    daily(session)


def daily(session: nox.Session) -> None:
    sync(session, "test")
    if session.posargs:
        session.run("pytest", "-m", DAILY, *session.posargs)
        return
    parts = [
        ("-m", f"{DAILY} and not load", "-n", "auto", "--dist", "worksteal", *TOGETHER),
        ("-m", f"{DAILY} and load", *TOGETHER),
        ("-m", DAILY, *(f"--ignore={folder}" for folder in TOGETHER)),
    ]
    failed = [
        part for part in parts if not passed(session, *part)
    ]  # all of them: one run tells all that is wrong
    if failed:
        session.error(f"{len(failed)} of {len(parts)} parts of the tests failed")


def passed(session: nox.Session, *arguments: str) -> bool:
    """Run a part of the tests; return whether it passed."""
    try:
        session.run("pytest", *arguments)
    except CommandFailed:
        return False
    return True


@nox.session
def machine(session: nox.Session) -> None:
    """Let ten thousand seeds draw operators, faults and deaths, on all cores; `-- --seed N` shows one again."""
    sync(session, "test")
    session.run("python", "-m", "tests.machine", *(session.posargs or ["--runs=10000"]))


@nox.session
def proof(session: nox.Session) -> None:
    """Send a hundred thousand requests through every strategy, kill deployers, judge releases: nothing may be lost."""
    sync(session, "test")
    session.run("pytest", "-m", "proof", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Run each example to its end."""
    found = scripts("examples")
    if not found:
        session.skip("there is no example yet")
    sync(session, "examples")
    for script in found:
        session.run("python", script, "--json")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation (a warning is an error) and the next changelog."""
    sync(session, "dev")
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
    session.run("towncrier", "build", "--draft", "--version", "next")


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel twice, from the tree and from the sdist: equal to the byte. Import it where there is nothing else."""
    built = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(built, ignore_errors=True)
    date = {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "1704067200")}
    session.run_install("uv", "build", "--quiet", "--wheel", "--sdist", f"--out-dir={built}", env=date)
    (source,) = built.glob("*.tar.gz")
    session.run_install("uv", "build", "--quiet", "--wheel", f"--out-dir={built / 'again'}", source, env=date)
    sums = {hashlib.sha256(path.read_bytes()).hexdigest() for path in built.rglob("*.whl")}
    if len(sums) != 1:
        session.error(f"the wheel is not reproducible: {sorted(sums)} from {built}")
    session.log(f"both wheels have the SHA-256 {sums.pop()}")
    session.install(*map(str, built.glob("*.whl")))
    session.chdir(built)
    session.run("python", "-W", "error", "-c", "import fairdeploy; print(fairdeploy.__file__)")


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in all that is locked. Unreachable: skipped, said aloud; `-- --required`: failed."""
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--quiet",
        "--no-default-groups",
        "--only-group=audit",
        f"--python={session.virtualenv.location}",
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )
    listed = Path(session.create_tmp()).resolve() / "requirements.txt"
    everything = ("--all-extras", "--all-groups", "--no-emit-workspace")
    session.run_install("uv", "export", "--locked", "--quiet", *everything, f"--output-file={listed}")
    said = session.run(
        "python", ".ci/audit.py", str(listed), *session.posargs, silent=True, success_codes=[0, 3]
    )
    if str(said).startswith("not audited"):
        session.skip(str(said).strip())
    session.log(str(said).strip())


@nox.session(default=False, python=["3.12", "3.13", "3.14"], download_python="never")
def tests_all(session: nox.Session) -> None:
    """Run the tests on the newer Pythons that this machine has."""
    daily(session)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    sync(session, "test")
    session.run("pytest", "-m", "nightly", *session.posargs, success_codes=[0, 5])  # 5: none is chosen
    # Other seeds than by day, and other ones every night.
    first = 10_000 + 100_000 * datetime.now(UTC).toordinal()
    session.run("python", "-m", "tests.machine", "--runs=100000", f"--first={first}")


@nox.session(default=False)
def crashpoints(session: nox.Session) -> None:
    """Write the crash matrix of docs/reliability.md anew, an hour or two; `-- --seconds 60` for a sample."""
    sync(session, "test")
    for what in ("simulated", "local"):
        session.run("python", "-m", "tests.crash.matrix", what, *session.posargs, success_codes=[0, 1])
    session.run("python", "-m", "tests.crash.matrix", "table", *session.posargs)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Print each budget beside its limit or peer; `uvx nox -s benchmarks -- NAME` for one."""
    sync(session, "test")
    wanted = session.posargs or [Path(script).stem for script in scripts("benchmarks")]
    for name in wanted:
        session.run("python", f"benchmarks/{name}.py")


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Write down the public names as they are now: tests/contracts/public_api.txt."""
    sync(session, "test")
    session.run("python", "-m", "tests.contracts.surface")
