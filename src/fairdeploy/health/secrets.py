"""The secrets of a check: read when it is asked, and hidden in whatever it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import anyio.to_thread

from fairdeploy.model import SecretRef

if TYPE_CHECKING:
    from fairdeploy.health.finding import Finding
    from fairdeploy.model import Asked

__all__ = ["Secrets", "revealed"]

_HIDDEN = "***"


@final
@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Values by reference.

    Args:
        values: What each reference refers to.
    """

    values: Mapping[SecretRef, str]

    def __getitem__(self, reference: SecretRef) -> str:
        """Return a value. Keep it in memory; never show it."""
        return self.values[reference]

    def hide(self, finding: Finding) -> Finding:
        """Return a finding without any of the values, in whatever form a server or a library repeats them."""
        forms = sorted(
            {form for value in self.values.values() for form in _forms(value)}, key=len, reverse=True
        )
        if not forms:
            return finding

        def hidden(text: str) -> str:
            for form in forms:
                text = text.replace(form, _HIDDEN)
            return text

        return replace(
            finding,
            message=hidden(finding.message),
            asked=hidden(finding.asked),
            output=tuple(map(hidden, finding.output)),
        )


async def revealed(check: Asked) -> Secrets:
    """Read every secret that a check refers to.

    Raises:
        Unbound: If one cannot be read.
    """
    found: dict[SecretRef, str] = {}
    for reference in _references(check):
        if reference.source == "file":
            found[reference] = await anyio.to_thread.run_sync(reference.resolve, abandon_on_cancel=True)
        else:
            found[reference] = reference.resolve()
    return Secrets(found)


def _references(check: Asked) -> Iterator[SecretRef]:
    for each in fields(check):
        value = getattr(check, each.name)
        for part in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(part, SecretRef):
                yield part


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it may be repeated: quoted for a URL, or the passwords of one on their own."""
    try:
        parts = urlsplit(value)
        passwords = [
            parts.password or "",
            *(said for key, said in parse_qsl(parts.query) if "password" in key),
        ]
    except ValueError:
        passwords = []
    for text in (value, value.strip(), *passwords, *map(unquote, passwords)):
        yield from (form for form in (text, repr(text)[1:-1], quote(text, safe=""), quote_plus(text)) if form)
