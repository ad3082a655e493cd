"""Ask whether a known vulnerability is in what `uv.lock` pins: ``python .ci/audit.py REQUIREMENTS... [--required]``.

Exit status 0: everything was looked up, and nothing is known. 1: something is known, and named. 3: not everything could be
looked up, so that nothing is proved; with ``--required``, which a release asks for, that is 1 too. pip-audit itself says
"No known vulnerabilities found" of packages that its database did not answer for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FOUND, NOT_LOOKED_UP = 1, 3
_MINUTES = 5


def verdict(report: Sequence[Mapping[str, object]]) -> tuple[int, str]:
    """Return an exit status and a sentence for what pip-audit has found out about each package."""
    known, skipped = [], []
    for each in report:
        name = f"{each['name']} {each.get('version', '')}".strip()
        if "skip_reason" in each:
            skipped.append(name)
        vulnerabilities = each.get("vulns")
        for one in vulnerabilities if isinstance(vulnerabilities, list) else ():
            mended = ", ".join(one["fix_versions"]) or "no version yet"
            known.append(f"{name}: {one['id']}, mended in {mended}")
    if known:
        return FOUND, "known vulnerabilities:\n  " + "\n  ".join(known)
    if skipped or not report:
        which = ", ".join(skipped[:3]) + (" and others" if len(skipped) > 3 else "")
        return (
            NOT_LOOKED_UP,
            f"not audited: the database answered for {len(report) - len(skipped)} of {len(report)} packages"
            + (f", not for {which}" if which else ""),
        )
    return 0, f"audited: nothing is known about {len(report)} packages"


def _ask(requirements: Path) -> Sequence[Mapping[str, object]]:
    """Return what pip-audit has found out.

    Raises:
        LookupError: If it found out nothing.
    """
    argv = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    try:
        ran = subprocess.run(
            [*argv, "--format=json", "--desc=off", f"--requirement={requirements}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_MINUTES * 60,
        )
    except subprocess.TimeoutExpired:
        raise LookupError(f"no answer within {_MINUTES} minutes") from None
    try:
        return list(json.loads(ran.stdout)["dependencies"])
    except (ValueError, KeyError):
        said = " ".join(ran.stderr.split()[-40:]) or "it said nothing"
        raise LookupError(f"pip-audit could not look anything up ({said})") from None


def main() -> int:
    """Say what was found out, in one line or one line for each vulnerability."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition(":")[0])
    parser.add_argument("requirements", type=Path, nargs="+")
    parser.add_argument("--required", action="store_true", help="what cannot be looked up is a failure")
    options = parser.parse_args()
    try:
        # One list after the other: pip-audit refuses two that pin the same package differently.
        status, sentence = verdict([found for each in options.requirements for found in _ask(each)])
    except LookupError as error:
        status, sentence = NOT_LOOKED_UP, f"not audited: {error}"
    print(sentence)
    return FOUND if options.required and status == NOT_LOOKED_UP else status


if __name__ == "__main__":
    sys.exit(main())
