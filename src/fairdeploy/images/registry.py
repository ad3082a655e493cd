"""Asking a registry which digest a tag names now, by the distribution API of the Open Container Initiative."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final
from urllib.parse import urlencode

import anyio

from fairdeploy.errors import ImageError, InvalidInput
from fairdeploy.images.reference import ImageReference
from fairdeploy.model._check import whole

if TYPE_CHECKING:
    import httpx

    from fairdeploy.model import Release, SecretRef

__all__ = ["Registry", "digest_of", "pinned"]

_MANIFESTS = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
_LONGEST = 4_194_304
_HEADERS = {"accept-encoding": "identity", "user-agent": "fairdeploy"}
"""Bytes: the spec asks registries to take manifests of at least so many, and clients to expect no more."""
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_OK, _UNAUTHORIZED, _MISSING = 200, 401, 404


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """How registries are asked. Over HTTPS; those on this machine's loopback address without.

    Args:
        user: Where one is asked for.
        password: Its password or token, sent to the registry and to the token service that it names.
        ca_file: Certificates to trust, PEM; ``None``: the usual ones.
        timeout_ms: For all of it.

    Raises:
        InvalidInput: If a user has no password, or the time is out of range.
    """

    user: str = ""
    password: SecretRef | None = None
    ca_file: str | None = None
    timeout_ms: int = 10_000

    def __post_init__(self) -> None:
        """Prove the values."""
        whole(self.timeout_ms, "timeout_ms", low=100, high=300_000)
        if bool(self.user) != (self.password is not None):
            msg = f"a registry's user and password go together; user is {self.user!r}"
            raise InvalidInput(msg)


async def pinned(release: Release, *, registry: Registry | None = None) -> Release:
    """Return the release with its image by digest: what a plan made of it holds, and the journal with the plan.

    The tag stays in the name, for people. A release without an image, or with a digest, is returned as it is.

    Raises:
        ImageError: If the registry cannot be asked, or does not have it.
        InvalidInput: If the image's name is none.
    """
    if release.image is None:
        return release
    reference = ImageReference.of(release.image)
    if reference.digest:
        return release
    digest = await digest_of(release.image, registry=registry)
    return replace(release, image=str(replace(reference, digest=digest)))


async def digest_of(image: str, *, registry: Registry | None = None) -> str:
    """Return the digest of what a name stands for now: of the index, where there is one for several platforms.

    It is worked out from what the registry sends, not taken from what it says.

    Raises:
        ImageError: If the registry cannot be asked, or does not have it.
        InvalidInput: If it is no name of an image.
    """
    import httpx  # noqa: PLC0415 -- 100 ms that only asking needs

    from fairdeploy.system.trust import trusting  # noqa: PLC0415 -- imports httpx too
    from fairdeploy.system.web import web_client  # noqa: PLC0415 -- likewise

    reference, how = ImageReference.of(image), registry or Registry()
    try:
        with anyio.fail_after(how.timeout_ms / 1000):
            async with web_client(verify=trusting(how.ca_file), headers=_HEADERS) as client:
                body = await _manifest(client, reference, how)
    except TimeoutError:
        raise ImageError(
            f"{reference.registry!r} did not tell within {how.timeout_ms} ms what {image!r} is: try again"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # Not chained: the request that httpx keeps in its error holds the password.
        raise ImageError(
            f"{reference.registry!r} cannot be asked what {image!r} is: {type(error).__name__}: {error}"
        ) from None
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if reference.digest and digest != reference.digest:
        raise ImageError(f"{reference.registry!r} sent {digest!r} for {image!r}: do not trust this registry")
    return digest


async def _manifest(client: httpx.AsyncClient, reference: ImageReference, how: Registry) -> bytes:
    host = "registry-1.docker.io" if reference.registry == "docker.io" else reference.registry
    site = f"{'http' if _is_here(host) else 'https'}://{host}"
    url = f"{site}/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"
    headers = {"accept": _MANIFESTS}
    status, body, challenge = await _got(client, url, headers)
    if status == _UNAUTHORIZED:
        headers["authorization"] = await _authorized(client, challenge, reference, how)
        status, body, _ = await _got(client, url, headers)
    if status == _MISSING:
        raise ImageError(f"{host!r} has no image {str(reference)!r}: push it, or mend its name")
    if status != _OK:
        raise ImageError(
            f"{host!r} answered {status} for {str(reference)!r}: mend the user, password or name"
        )
    return body


async def _authorized(
    client: httpx.AsyncClient, challenge: str, reference: ImageReference, how: Registry
) -> str:
    """Return what to say to a challenge: https://distribution.github.io/distribution/spec/auth/token/."""
    import httpx  # noqa: PLC0415 -- see `digest_of`

    kind, _, rest = challenge.partition(" ")
    basic = None
    if how.password is not None:
        request = httpx.Request("GET", "http://-/")
        flow = httpx.BasicAuth(how.user, how.password.resolve()).auth_flow(request)
        basic = next(flow).headers["authorization"]
    if kind.lower() == "basic" and basic is not None:
        return basic
    asked = dict(_CHALLENGE.findall(rest))
    realm = httpx.URL(asked.get("realm", ""))
    if kind.lower() != "bearer" or not (
        realm.scheme == "https" or (realm.scheme == "http" and _is_here(realm.netloc.decode()))
    ):
        raise ImageError(
            f"{reference.registry!r} asks for {kind or 'an authorization'!r}: give Registry(user=..., password=...)"
        )
    query = urlencode(
        {"service": asked.get("service", ""), "scope": f"repository:{reference.repository}:pull"}
    )
    status, body, _ = await _got(
        client, f"{realm}?{query}", {} if basic is None else {"authorization": basic}
    )
    token = json.loads(body) if status == _OK else {}
    word = token.get("token") or token.get("access_token") if isinstance(token, dict) else None
    if not isinstance(word, str):
        raise ImageError(
            f"{realm.host!r} gave no token for {str(reference)!r} ({status}): mend user and password"
        )
    return f"Bearer {word}"


async def _got(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> tuple[int, bytes, str]:
    body = bytearray()
    async with client.stream("GET", url, headers=headers, follow_redirects=False) as response:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _LONGEST:
                raise ImageError(
                    f"{response.url.host!r} sent more than {_LONGEST} bytes: no manifest is so long"
                )
        return response.status_code, bytes(body), response.headers.get("www-authenticate", "")


def _is_here(host: str) -> bool:
    """Whether a registry is on this machine, where Docker too speaks HTTP."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
