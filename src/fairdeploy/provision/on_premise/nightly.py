"""``python -m fairdeploy.provision.on_premise.nightly SETTINGS``: one verified backup, for cron.

It exits with 0 if there is one, else with 1 and the reason on stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.model import SecretRef
from fairdeploy.provision.on_premise.backups import backup_now
from fairdeploy.provision.on_premise.wanted import BackupSchedule

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Take and prove a backup; return the exit status."""
    try:
        if len(arguments) != 1:
            raise InvalidInput(f"give the settings file, and nothing else, not {arguments!r}")
        backup = anyio.run(backup_now, _read(Path(arguments[0]).absolute()))
    except FairdeployError as exc:
        sys.stderr.write(f"no backup: {exc}\n")
        return 1
    sys.stdout.write(
        f"{backup.id}: {backup.size} bytes, {backup.proof}, restored in {backup.restore_ms} ms\n"
    )
    return 0


def _read(path: Path) -> BackupSchedule:
    try:
        record = json.loads(path.read_bytes())
        password, programs = record["password"], record["programs"]
        address = DatabaseAddress(
            record["dsn"],
            password=SecretRef(password["source"], password["key"]) if password else None,
            programs=Path(programs) if programs else None,
        )
        return BackupSchedule(database=address, folder=path.parent, keep=record["keep"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(f"{str(path)!r} holds no settings of backups ({type(exc).__name__})") from exc


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
