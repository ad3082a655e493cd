"""In which order validations come, and what their findings mean together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Aspect, Finding, ValidationResult

if TYPE_CHECKING:
    from datetime import datetime

    from fairdeploy.protocols import Validation

__all__ = ["concluded", "stops", "waves"]


def waves(
    validations: Iterable[Validation],
    *,
    only: Iterable[Aspect] | None = None,
    without: Iterable[str] = (),
) -> tuple[tuple[Validation, ...], ...]:
    """Return the validations aspect by aspect; those of one aspect may be looked at at once.

    Args:
        validations: In the order in which their findings are to be reported.
        only: Aspects to look at; ``None``: all.
        without: Names of validations to leave out.

    Raises:
        InvalidInput: If two have one name, or a name to be left out is none of them.
    """
    every = tuple(validations)
    names = [each.name for each in every]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"validations must differ in their names, and {twice!r} come twice: rename one"
        raise InvalidInput(msg)
    left_out = frozenset(without)
    unknown = sorted(left_out - set(names))
    if unknown:
        msg = f"there is no validation {unknown!r} to leave out; known are {sorted(names)!r}"
        raise InvalidInput(msg)
    wanted = frozenset(Aspect) if only is None else frozenset(Aspect(each) for each in only)
    kept = [each for each in every if each.name not in left_out and each.aspect in wanted]
    found = (tuple(each for each in kept if each.aspect is aspect) for aspect in Aspect)
    return tuple(wave for wave in found if wave)


def stops(findings: Sequence[Finding]) -> Finding | None:
    """Return the first finding that refuses the deployment, so that nothing more is looked at; ``None``: go on."""
    return next((finding for finding in findings if finding.refuses), None)


def concluded(findings: Sequence[Finding], *, target: str, at: datetime) -> ValidationResult:
    """Return what findings mean together: passed if all are good, refused by the first bad critical one.

    Args:
        findings: In the order in which they were looked at.
        target: Of which target.
        at: When they were looked at.
    """
    refusing = stops(findings)
    return ValidationResult(
        passed=all(finding.passed for finding in findings),
        results=tuple(findings),
        message=f"Critical validation failed: {refusing.message}" if refusing else "",
        target=target,
        timestamp=at,
    )
