"""What `import fairdeploy` costs, said as which modules it loads: a time would say how busy the machine is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

THIRD_PARTY = {"anyio", "fairdeploy", "idna", "sniffio", "typing_extensions"}
"""anyio and what it stands on. Everything else waits for its first use."""
HEAVY = {
    "email",
    "http",
    "multiprocessing",
    "unittest",
    "xmlrpc",
}
"""Parts of the standard library that adapters need and the front door does not. sqlite3 is no such part: the journal
that the deployer brings stands on it, for 2 ms."""


def _loaded(statement: str) -> set[str]:
    """List the modules that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return set(json.loads(ran.stdout))


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Give the modules that `import fairdeploy` adds to a bare interpreter."""
    return _loaded("import fairdeploy") - _loaded("pass")


def test_import_loads_no_library_but_anyio(loaded: set[str]) -> None:
    """Neither pydantic nor httpx, nor any adapter's library, is loaded before it is used."""
    libraries = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    foreign = {name for name in libraries if not name.startswith("_sysconfigdata")}  # named for the machine

    assert foreign <= THIRD_PARTY


def test_import_loads_no_heavy_part_of_the_standard_library(loaded: set[str]) -> None:
    """HTTP, mail and process pools wait for their adapters."""
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_import_loads_no_adapter(loaded: set[str]) -> None:
    """A backend is imported by the user, from its own module."""
    adapters = ("fairdeploy.backends", "fairdeploy.provision", "fairdeploy.testing", "fairdeploy.cli")

    assert not [name for name in loaded if name.startswith(adapters)]


def test_import_leaves_the_process_alone() -> None:
    """No logger is configured, no signal handled, no thread or event loop started."""
    _loaded(
        "import logging, signal, threading\n"
        "before = [signal.getsignal(each) for each in signal.valid_signals()]\n"
        "import fairdeploy\n"
        "assert before == [signal.getsignal(each) for each in signal.valid_signals()]\n"
        "assert logging.getLogger().handlers == []\n"
        "assert threading.active_count() == 1\n"
    )
