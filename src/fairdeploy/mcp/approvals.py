"""Plans that wait for a person, and what persons said: files beside the configuration, for this user alone.

Whoever may write there may approve. A program that has a shell as this user can do anything that this user can: give
the server a user of its own, or no shell.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from fairdeploy.configuration.plan_file import read_plan, write_plan, write_whole
from fairdeploy.errors import InvalidInput, Refused, StateError

if TYPE_CHECKING:
    from fairdeploy.model import Plan

__all__ = ["Approval", "Approvals"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_VALID_S: Final = 3_600
"""An approval is for now: an hour later the person who gave it may think otherwise."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person said.

    Args:
        digest: Of the plan, as `Plan.hash`.
        target: Its target, by the configuration's name.
        by: Who, as ``user@host:pid``.
        at_ms: When, milliseconds since 1970.
    """

    digest: str
    target: str
    by: str
    at_ms: int


@final
class Approvals:
    """Plans by their digest, with the target that each was made for.

    Args:
        configuration: The file beside which they are kept, in ``.fairdeploy/plans``.
    """

    def __init__(self, configuration: Path) -> None:
        self._folder = configuration.absolute().parent / ".fairdeploy" / "plans"

    def path(self, digest: str, what: str = "plan") -> Path:
        """Return where a plan, its approval or its log is.

        Raises:
            InvalidInput: If it is no digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(f"a plan's digest is 64 hexadecimal digits, not {digest[:80]!r}")
        return self._folder / f"{digest}.{what}"

    async def propose(self, plan: Plan, target: str) -> None:
        """Keep a plan, to be approved.

        Raises:
            StateError: If the folder cannot be made.
            InvalidInput: If the plan cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.path(plan.hash, "target"), target)
        except OSError as error:
            raise StateError(f"{str(self._folder)!r} cannot be written ({error.strerror})") from error
        await write_plan(self.path(plan.hash), plan)

    async def proposed(self, digest: str) -> tuple[Plan, str]:
        """Return a plan and its target.

        Raises:
            Refused: If there is none with this digest.
            InvalidInput: If it cannot be read, or is not the plan of that digest.
        """
        try:
            target = self.path(digest, "target").read_text(encoding="utf-8")
        except OSError as error:
            raise Refused(f"no plan {digest[:12]!r} was made here: make one, and give its digest") from error
        plan = await read_plan(self.path(digest))
        if plan.hash != digest:
            raise InvalidInput(f"the plan that is kept as {digest[:12]!r} is another one: make it again")
        return plan, target

    def approve(self, digest: str, target: str, *, by: str) -> Approval:
        """Write down that somebody approves; good for an hour, and for one run.

        Raises:
            StateError: If it cannot be written.
        """
        approval = Approval(digest=digest, target=target, by=by, at_ms=int(time.time() * 1000))
        try:
            write_whole(self.path(digest, "approved"), json.dumps(asdict(approval)))
        except OSError as error:
            raise StateError(f"the approval cannot be written ({error.strerror})") from error
        return approval

    def use(self, digest: str, target: str) -> Approval:
        """Return an approval, which is used up by that: of several who ask at once, one gets it.

        Raises:
            Refused: If there is none, it is older than an hour, or it was used.
        """
        used = self.path(digest, "used")
        try:
            self.path(digest, "approved").rename(used)
        except OSError as error:
            raise Refused(
                f"plan {digest[:12]!r} is not approved, or was run already: a person reads and approves it in a "
                f"terminal, with: fairdeploy approve-plan {digest}"
            ) from error
        try:
            approval = Approval(**json.loads(used.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise Refused(f"the approval of {digest[:12]!r} cannot be read: approve it again") from error
        age = time.time() - approval.at_ms / 1000
        if (approval.digest, approval.target) != (digest, target) or not 0 <= age < _VALID_S:
            raise Refused(f"the approval of {digest[:12]!r} is over an hour old, or for something else")
        return approval
