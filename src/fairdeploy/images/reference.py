"""The name of an image, taken apart as Docker does it."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import final

from fairdeploy.errors import InvalidInput

__all__ = ["ImageReference"]

# https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HUB = "docker.io"


@final
@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image by its parts.

    Args:
        registry: Host, with a port if there is one; ``docker.io`` where none is named.
        repository: Within the registry.
        tag: ``latest`` where neither tag nor digest is named; empty with a digest alone.
        digest: ``sha256:...``, or empty.

    Raises:
        InvalidInput: If a part is none.

    Example:
        >>> str(ImageReference.of("registry.example.org/shop/web:1.4"))
        'registry.example.org/shop/web:1.4'
        >>> ImageReference.of("nginx").repository
        'library/nginx'
    """

    registry: str
    _: KW_ONLY
    repository: str
    tag: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        """Prove the parts."""
        fits = (
            _NAME.fullmatch(self.repository)
            and (not self.tag or _TAG.fullmatch(self.tag))
            and (not self.digest or _DIGEST.fullmatch(self.digest))
            and (self.tag or self.digest)
        )
        if not fits:
            msg = f"{str(self)!r} is no name of an image: give one such as 'registry/shop/web:1.4'"
            raise InvalidInput(msg)

    @classmethod
    def of(cls, image: str) -> ImageReference:
        """Return the parts of a name.

        Raises:
            InvalidInput: If it is none.
        """
        name, _, digest = image.partition("@")
        host, slash, rest = name.partition("/")
        if not slash or not ("." in host or ":" in host or host == "localhost"):
            host, rest = _HUB, name
        repository, _, tag = rest.partition(":")
        if host == _HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(host, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)

    def __str__(self) -> str:
        """Return the name; with tag and digest, the digest counts and the tag tells people which it was."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")
