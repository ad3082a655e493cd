"""A check that asks an OpenID Connect provider how it is."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check import _http_parts
from fairdeploy.model.check.scope import Scope
from fairdeploy.model.secret import SecretRef

__all__ = ["OIDCCheck"]


@final
@dataclass(frozen=True, slots=True)
class OIDCCheck:
    """A provider can be discovered, publishes its keys and, with a client, gives tokens signed by them.

    Discovery is that of OpenID Connect Discovery 1.0 (the ``issuer`` in the document must be this
    one, to the letter); the token is asked for with the client-credentials grant (RFC 6749, 4.4).
    A token that is a JWT is verified: signature, issuer, expiry, audience. Needs the extra ``oidc``.

    Args:
        issuer: URL of the provider, such as ``https://login.example.org/realms/lab``.
        client_id: Who asks for a token; ``None``: none is asked for.
        client_secret: Of that client.
        token_scope: Scope to ask for, words separated by spaces; empty: the provider's default.
        audience: That a token must be for; ``None``: not asked.
        verify: As in `HTTPCheck`.
        timeout_ms: For everything together. Default 10 s.

    Raises:
        InvalidInput: If the issuer is no URL, or only one of client and secret is given.
    """

    __pydantic_config__ = STRICT

    issuer: str
    _: KW_ONLY
    client_id: str | None = None
    client_secret: SecretRef | None = None
    token_scope: str = ""
    audience: str | None = None
    verify: bool | str = True
    timeout_ms: int = 10_000
    kind: Literal["oidc"] = "oidc"

    def __post_init__(self) -> None:
        """Prove that the provider can be asked."""
        _http_parts.url(self.issuer, "issuer", "https://login.example.org/realms/lab")
        if "?" in self.issuer or "#" in self.issuer:
            raise InvalidInput(f"issuer {self.issuer!r} must have no query and no fragment (Discovery 1.0)")
        _http_parts.secret(self.client_secret, "client_secret")
        if (self.client_id is None) != (self.client_secret is None):
            raise InvalidInput(
                "client_id and client_secret go together: give both, or neither to ask for no token"
            )
        if self.client_id is None and (self.audience or self.token_scope):
            raise InvalidInput("audience and token_scope are about a token: give client_id and client_secret")
        _http_parts.trust(self.verify)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)

    @property
    def scope(self) -> Scope:
        """Always about what all revisions use."""
        return "shared"
