"""How a service starts, as far as file and Dockerfile tell. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fairdeploy.compose.file import Service

__all__ = ["argv", "is_dev_server", "migrates", "only_migrates", "shell_script", "wrapped_by"]

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_WRAPPERS: Final = re.compile(r"(?:^|[\s/])(npm|yarn|pnpm|npx)(?:\s|$)")
"""They stay in front of the program, and pass SIGTERM on late, twice or not at all."""
_DEV: Final = re.compile(
    r"(?x) \bflask\s+(?:--?\S+\s+(?:\S+\s+)?)*run\b | \bmanage\.py\s+runserver\b | (?<!\S)--reload\b | "
    r"\b(?:npm|yarn|pnpm)\s+(?:run\s+)?(?:dev|serve|watch)\b | \bng\s+serve\b | \bnodemon\b | "
    r"\bwebpack(?:-dev-server|\s+serve)\b | \bvite(?!\s+(?:build|preview))\b | \bartisan\s+serve\b | "
    r"\bphp\s+-S\b | \bgo\s+run\b | \bcargo\s+(?:run|watch)\b | \bmvn\s+spring-boot:run\b | \bdotnet\s+watch\b | "
    r"\buvicorn\b.*--reload | \bnext\s+dev\b | \bhttp\.server\b"
)
_MIGRATE: Final = re.compile(
    r"(?x) \bmanage\.py\s+migrate\b | \balembic\s+.*\bupgrade\b | \bflask\s+db\s+upgrade\b | \bprisma\s+(?:migrate|db\s+push)\b | "
    r"\bdb:(?:migrate|setup|prepare)\b | \bknex\s+migrate | \bflyway\b.*\bmigrate\b | \bliquibase\b.*\bupdate\b | "
    r"\bmigration:run\b | \bartisan\s+migrate\b | \bgoose\b.*\bup\b | \bdbmate\b | \bsequelize\b.*\bmigrate\b | "
    r"(?:^|[\s;&|/])(?:migrate|run[-_]migrations?|migrations?\.sh)\b"
)


def argv(service: Service) -> tuple[str, ...]:
    """Return what a container runs; empty where only the image knows."""
    startup = service.build.startup if service.build else None
    own = startup.entrypoint if startup else None
    entry = service.entrypoint if service.entrypoint is not None else own
    if service.command is not None:
        command: tuple[str, ...] = service.command
    elif service.entrypoint is None and startup and startup.command:
        command = startup.command  # an entrypoint in the compose file forgets the image's command
    else:
        command = ()
    return (*(entry or ()), *command)


def _text(service: Service) -> str:
    return " ".join(argv(service))


def shell_script(service: Service) -> str | None:
    """Return the script if a shell is process 1 and stays it: signals then end at the shell."""
    words = argv(service)
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    options = [word for word in words[1:3] if word.startswith("-")]
    if not any("c" in option for option in options) or len(words) < 2 + len(options):
        return None
    script = words[1 + len(options)]
    return None if _hands_over(script) else script


def _hands_over(script: str) -> bool:
    """Tell whether the last command replaces the shell."""
    commands = [part.strip() for part in re.split(r"&&|\|\||;|\n", script) if part.strip()]
    return bool(commands) and commands[-1].startswith("exec ")


def wrapped_by(service: Service) -> str | None:
    """Return the package manager that stays in front of the program, if one does."""
    if shell_script(service) is not None:
        return None
    found = _WRAPPERS.search(" ".join(argv(service)[:2]))
    return found[1] if found else None


def is_dev_server(service: Service) -> str | None:
    """Return the words that start a development server, or say that this is one."""
    if found := _DEV.search(_text(service)):
        return found[0].strip()
    for name, wanted in _DEV_VARIABLES.items():
        value = service.environment.get(name)
        if value is not None and value.lower() in wanted:
            return f"{name}={value}"
    return None


_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_DEV_VARIABLES: Final = {
    "NODE_ENV": frozenset({"development", "dev"}),
    "FLASK_ENV": frozenset({"development", "dev"}),
    "RAILS_ENV": frozenset({"development", "dev"}),
    "APP_ENV": frozenset({"development", "dev", "local"}),
    "ENV": frozenset({"development", "dev"}),
    "ASPNETCORE_ENVIRONMENT": frozenset({"development"}),
    "FLASK_DEBUG": _TRUE,
    "DJANGO_DEBUG": _TRUE,
    "APP_DEBUG": _TRUE,
}


def migrates(service: Service) -> bool:
    """Tell whether starting it changes a schema."""
    return bool(_MIGRATE.search(_text(service)))


def only_migrates(service: Service) -> bool:
    """Tell whether that is all it does."""
    script = shell_script(service)
    words = argv(service)
    if not migrates(service):
        return False
    if script is None and words and words[0].rpartition("/")[2] in _SHELLS:
        script = words[-1]
    commands = [part for part in re.split(r"&&|;|\n", script or shlex.join(words)) if part.strip()]
    return bool(commands) and bool(_MIGRATE.search(commands[-1]))
