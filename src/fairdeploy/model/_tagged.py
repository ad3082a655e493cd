"""How a closed union is told apart in a record, without importing pydantic to say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

STRICT = {"extra": "forbid", "strict": True}
"""Decoding rules of every recorded value: unknown fields and coercions are refused."""


class Tagged:
    """Marks a union whose members differ by their ``kind`` field.

    pydantic takes 200-300 ms to import and build; only decoding needs it, so the
    discriminator is added when, and only when, pydantic asks for a schema.
    """

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # noqa: ANN401 - pydantic hands over whatever was annotated
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        """Return the union's schema with ``kind`` as its discriminator."""
        from pydantic import Discriminator  # noqa: PLC0415 - see the class

        return Discriminator("kind").__get_pydantic_core_schema__(source, handler)
