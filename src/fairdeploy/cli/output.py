"""What is printed: the result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

from fairdeploy.model.canonical import plain

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["SCHEMA", "Form", "Output", "document"]

Form: TypeAlias = Literal["text", "json", "ndjson"]
"""``text`` for people, ``json`` one document at the end, ``ndjson`` a document a line while it goes on."""
SCHEMA: Final = "1.0"
"""Of the documents: a higher second number adds keys, which readers ignore; a higher first one changes some."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How a command speaks.

    Args:
        form: See `Form`.
        quiet: Only the result.
        verbose: Also what happens below a step.
    """

    form: Form = "text"
    quiet: bool = False
    verbose: bool = False

    @property
    def live(self) -> bool:
        """Whether what is told may be redrawn in place: text, to a terminal that can."""
        can = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        return self.form == "text" and can and not self.quiet and not self.verbose

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def begin(self) -> None:
        """Begin a stream of documents by saying of which schema they are."""
        if self.form == "ndjson":
            self._line({"type": "version", "schema": SCHEMA})

    def event(self, kind: str, document: Mapping[str, Any]) -> None:
        """Print a document of a stream, where one is wanted."""
        if self.form == "ndjson" and not self.quiet:
            self._line({"type": kind, **document})

    def result(
        self, document: Mapping[str, Any] | Sequence[Any], text: object, *, kind: str = "result"
    ) -> None:
        """Print what was asked for: the document for programs, or the text for people.

        A text with ``__rich__`` is drawn as such on a terminal.
        """
        match self.form:
            case "ndjson":
                body = document if isinstance(document, Mapping) else {"items": document}
                self._line({"type": kind, **body})
            case "json":
                print(json.dumps(plain(document), indent=2))
            case "text" if sys.stdout.isatty() and hasattr(text, "__rich__"):
                from rich.console import Console  # noqa: PLC0415 -- programs and pipes need none

                Console(highlight=False).print(text)
            case "text":
                print(text)

    def say(self, words: str) -> None:
        """Tell whoever looks on."""
        if self.form == "text" and not self.quiet:
            self.complain(words)

    def complain(self, words: str) -> None:
        """Tell what went wrong, also where only results are wanted."""
        print(words, file=_err())

    @staticmethod
    def _line(document: Mapping[str, Any]) -> None:
        print(json.dumps(plain(document), separators=(",", ":")), flush=True)


def document(report: Any) -> dict[str, object]:  # noqa: ANN401 -- of any dataclass
    """Return a report's fields as documents hold them: a time as ISO 8601, everything else as `Output` writes it."""
    found = {each.name: getattr(report, each.name) for each in fields(report)}
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in found.items()}


def _err() -> TextIO:
    return sys.stderr
