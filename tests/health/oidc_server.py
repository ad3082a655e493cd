"""A provider that gives tokens to clients, made of Authlib: run as a program, it prints its issuer.

Its tokens are JWTs as RFC 9068 has them. `opaque` as an argument makes them random words instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP, as it is on the loopback address

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

KEYS = KeySet([RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})])


class Client(ClientMixin):
    """The one client that there is."""

    client_id = "lab"

    def get_client_id(self) -> str:
        """Return its name."""
        return self.client_id

    def get_allowed_scope(self, scope: Collection[str] | str) -> str:
        """Allow what is asked for."""
        return scope if isinstance(scope, str) else " ".join(scope or ())

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is its secret."""
        return client_secret == os.environ["OIDC_SECRET"]

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Allow the secret in the header."""
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow client credentials."""
        return grant_type == "client_credentials"


class Tokens(JWTBearerTokenGenerator):
    """Signs with our key."""

    def get_jwks(self) -> dict[str, Any]:
        """Return the private key."""
        return dict(KEYS.as_dict(private=True))

    def get_audiences(self, client: object, user: object, scope: str) -> list[str]:
        """Name whom tokens are for."""
        return ["fairdatabase"]


class ClientCredentials(grants.ClientCredentialsGrant):
    """With the secret in the header."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012 -- as its class declares it


def main() -> None:
    """Serve until killed."""
    app = Flask("provider")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    issuer = f"http://127.0.0.1:{server.server_port}"
    authorization = AuthorizationServer(
        app,
        query_client=lambda name: Client() if name == Client.client_id else None,
        save_token=lambda _token, _request: None,
    )
    authorization.register_grant(ClientCredentials)
    if "opaque" not in sys.argv:
        authorization.register_token_generator("default", Tokens(issuer=issuer))

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Response:
        return jsonify(
            issuer=issuer,
            jwks_uri=f"{issuer}/keys",
            token_endpoint=f"{issuer}/token",
            token_endpoint_auth_methods_supported=["client_secret_basic"],
        )

    @app.get("/keys")
    def keys() -> Response:
        return jsonify(KEYS.as_dict(private=False))

    @app.post("/token")
    def token() -> Any:  # noqa: ANN401 -- whatever Authlib answers
        return authorization.create_token_response()

    sys.stdout.write(f"{issuer}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
