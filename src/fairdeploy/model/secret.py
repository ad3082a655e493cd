"""References to secrets. No value is ever held, shown or recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from fairdeploy.errors import InvalidInput, Unbound
from fairdeploy.model._tagged import STRICT

__all__ = ["SecretRef"]


@final
@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is found when an instance starts.

    Use `SecretRef.env` or `SecretRef.file`.

    Args:
        source: ``"env"`` (of the deploying process) or ``"file"``.
        key: The variable's name or the file's absolute path.
        fingerprint: Keyed hash of the value, filled in when a plan is made, so that a
            changed secret makes a new revision. It does not reveal the value.

    Raises:
        InvalidInput: If the key is empty or a file's path is not absolute.
    """

    __pydantic_config__ = STRICT

    source: Literal["env", "file"]
    key: str
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Refuse keys that cannot be found again later."""
        if self.source not in {"env", "file"}:
            msg = f"secret source {self.source!r} is not known: use SecretRef.env(...) or SecretRef.file(...)"
            raise InvalidInput(msg)
        if (
            not isinstance(self.key, str)
            or not self.key
            or "\0" in self.key
            or (self.source == "env" and "=" in self.key)
        ):
            msg = f"secret key {self.key!r} must be the name of a variable or the path of a file"
            raise InvalidInput(msg)
        if self.source == "file" and not Path(self.key).is_absolute():
            msg = f"secret file {self.key!r} must be an absolute path: it is read again on every restart"
            raise InvalidInput(msg)

    @classmethod
    def env(cls, variable: str) -> SecretRef:
        """Refer to an environment variable of the deploying process."""
        return cls("env", variable)

    @classmethod
    def file(cls, path: str | Path) -> SecretRef:
        """Refer to a file's content, without its last line break."""
        return cls("file", str(path))

    def resolve(self) -> str:
        """Return the value. Keep it in memory; never log it.

        Raises:
            Unbound: If the variable is not set or the file cannot be read.
        """
        if self.source == "env":
            value = os.environ.get(self.key)
            if value is None:
                msg = f"secret variable {self.key!r} is not set in this process: export it and run again"
                raise Unbound(msg)
            return value
        failure = ""
        try:
            return Path(self.key).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            failure = type(error).__name__  # no more of it: a decoder's error holds what it could not decode
        msg = f"secret file {self.key!r} cannot be read ({failure}): check that it exists and its mode"
        raise Unbound(msg)

    def sealed(self, fingerprint: str) -> SecretRef:
        """Return the reference with the fingerprint of its present value."""
        return replace(self, fingerprint=fingerprint)
