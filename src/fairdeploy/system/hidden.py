"""Values that a traceback does not show."""

from __future__ import annotations

from typing import Final, final

from typing_extensions import override

__all__ = ["MASK", "Hidden"]

MASK: Final = "[secret]"


@final
class Hidden(str):
    """A text that no `repr` shows: tools that print the local variables of a traceback ask for that."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return MASK
