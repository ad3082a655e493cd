"""What `import fairdeploy` costs over bare Python, beside the two libraries that it could not do without."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

from _figures import p, say, title

STATEMENTS = {
    "bare": "pass",
    "fairdeploy": "import fairdeploy",
    "used": "from fairdeploy import Canary, Deployer, Release, Target",
    "local": "from fairdeploy.backends.local import LocalBackend",
    "pydantic": "from pydantic import BaseModel",
    "anyio": "import anyio",
    "dataclasses": (
        "from dataclasses import dataclass\n"
        "for n in range(60): dataclass(frozen=True, slots=True)(type(f'D{n}', (), {'__annotations__': {'a': int, 'b': str, 'c': bool}}))"
    ),
}
HEAVY = (
    "pydantic",
    "httpx",
    "sqlite3",
    "ssl",
    "http.client",
    "multiprocessing",
    "rich",
    "envoy",
    "supervisor",
    "uvicorn",
)
"""What `import fairdeploy` could load and, sqlite3 aside, must not."""


def once(statement: str) -> tuple[float, float]:
    """Return milliseconds of wall time and of processor time that a fresh interpreter takes."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", statement])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return (time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000


def loaded() -> tuple[set[str], int]:
    """Return the modules that `import fairdeploy` loads, and how many of them are ours."""
    program = "import json, sys, fairdeploy; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    names = set(json.loads(ran.stdout))
    return names, sum(name.partition(".")[0] == "fairdeploy" for name in names)


def main(rounds: int) -> None:
    """Print the figures."""
    title(f"import, fresh interpreters, medians of {rounds} (wall time; processor time)")
    for statement in STATEMENTS.values():
        once(statement)
    # In turn, so that whatever else the machine does befalls all of them.
    samples = [{name: once(statement) for name, statement in STATEMENTS.items()} for _ in range(rounds)]
    wall = {name: p([each[name][0] for each in samples], 50) for name in STATEMENTS}
    used = {name: p([each[name][1] for each in samples], 50) for name in STATEMENTS}
    quickest = {name: min(each[name][0] for each in samples) for name in STATEMENTS}

    def over(name: str) -> str:
        return f"{wall[name] - wall['bare']:.0f} ms; {used[name] - used['bare']:.0f} ms"

    peers = (
        f"pydantic BaseModel {over('pydantic')}, anyio {over('anyio')}, 60 dataclasses {over('dataclasses')}"
    )
    share = (used["fairdeploy"] - used["bare"]) / (used["pydantic"] - used["bare"])
    say("`import fairdeploy` over bare Python", over("fairdeploy"), budget="100 ms", beside=peers)
    say("  as a multiple of pydantic's, by processor time", f"{share:.2f}")
    say("  the quickest of all", f"{quickest['fairdeploy'] - quickest['bare']:.0f} ms")
    say("  with the names that every program uses", over("used"))
    say("  with the local backend", over("local"))
    say("  bare Python itself", f"{wall['bare']:.0f} ms; {used['bare']:.0f} ms")
    names, ours = loaded()
    say("modules loaded, of them fairdeploy's own", f"{len(names)}, {ours}")
    heavy = {name for name in HEAVY if name in names}
    print(
        f"  heavy modules loaded: {', '.join(sorted(heavy)) or 'none'}; not loaded: {', '.join(sorted(set(HEAVY) - heavy))}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    main(parser.parse_args().rounds)
