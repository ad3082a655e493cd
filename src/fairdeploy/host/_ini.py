"""supervisor's configuration files, written so that no value can be read as anything else."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.protocols.keeper import Program

__all__ = ["daemon", "plain", "program"]

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
_RETRIES = 1_000_000_000
_SETTLED_SECONDS = 5


def plain(text: str) -> bool:
    """Whether a text stays what it is in these files: no blank, quote, comment sign or line break."""
    return _PLAIN.fullmatch(text) is not None


def _section(title: str, values: Mapping[str, str | int]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{title}]", *lines, "", ""])


def daemon(home: str, socket: str) -> str:
    """Return the configuration of supervisord itself; ``home`` is a plain path of the keeper's folder."""
    return "".join(
        [
            _section("unix_http_server", {"file": socket, "chmod": "0600"}),
            _section(
                "supervisord",
                {
                    "logfile": f"{home}/supervisord.log",
                    "logfile_maxbytes": 1_000_000,
                    "logfile_backups": 1,
                    "loglevel": "info",
                    "pidfile": f"{home}/supervisord.pid",
                    "childlogdir": home,
                    "directory": "/",
                    "umask": "077",
                    "identifier": "fairdeploy",
                },
            ),
            _section(
                "rpcinterface:supervisor",
                {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
            _section(
                "rpcinterface:fairdeploy",
                {"supervisor.rpcinterface_factory": "__main__:make"},
            ),
            _section("include", {"files": f"{home}/conf.d/*.conf"}),
        ]
    )


def program(each: Program, cwd: str, log: str) -> str:
    """Return the configuration of one program, all of it plain, with plain paths of its folder and log."""
    values: dict[str, str | int] = {
        "command": shlex.join(each.argv),
        "directory": cwd,
        "umask": "022",
        "autostart": str(bool(each.restart)).lower(),
        "autorestart": "unexpected" if each.restart == "on-failure" else str(each.restart).lower(),
        "exitcodes": 0,
        "startsecs": _SETTLED_SECONDS if each.restart else 0,
        "startretries": _RETRIES if each.restart else 0,
        "stopsignal": each.stop_signal.removeprefix("SIG"),
        "stopwaitsecs": math.ceil(each.stop_grace_ms / 1000),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log,
        "stdout_logfile_maxbytes": max(each.log_bytes // 2, 1),
        "stdout_logfile_backups": 1,
    }
    if each.env:
        values["environment"] = ",".join(f'{key}="{value}"' for key, value in each.env.items())
    return _section(f"program:{each.name}", values)
