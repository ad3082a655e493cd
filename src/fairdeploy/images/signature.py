"""Who signed an image: a bundle of Sigstore, verified without asking anybody."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.errors import ImageError, InvalidInput, MissingDependency
from fairdeploy.images.reference import ImageReference

if TYPE_CHECKING:
    from pathlib import Path

    from sigstore.verify import Verifier

__all__ = ["Signer", "verify_image"]

_STATEMENT = "application/vnd.in-toto+json"


@final
@dataclass(frozen=True, slots=True)
class Signer:
    """Who must have signed.

    Args:
        identity: As in the certificate: a mail address, or the URI of a workflow with its ref.
        issuer: Who vouches for that identity, such as ``https://token.actions.githubusercontent.com``.
        predicate: Type of the statement that is wanted, such as ``https://slsa.dev/provenance/v1``; ``None``: any,
            and a signature without a statement.

    Raises:
        InvalidInput: If identity or issuer is empty.
    """

    identity: str
    _: KW_ONLY
    issuer: str
    predicate: str | None = None

    def __post_init__(self) -> None:
        """Prove that somebody is named: a signature by anybody says nothing."""
        if not self.identity or not self.issuer:
            msg = f"a signer needs an identity and its issuer, not {self.identity!r} and {self.issuer!r}"
            raise InvalidInput(msg)


def verify_image(image: str, bundle: str, signer: Signer, *, trusted_root: Path | None = None) -> None:
    """Do nothing if a bundle shows that a signer has signed an image, or a statement about it.

    Certificate, transparency log and signature are verified offline, by the library of the Sigstore project.

    Args:
        image: By digest, such as `pinned` names it.
        bundle: The bundle's JSON (``cosign ... --new-bundle-format``, ``gh attestation download``).
        signer: Who must have signed.
        trusted_root: A ``trusted_root.json``; ``None``: the one of Sigstore's public instance that the library brings.

    Raises:
        ImageError: If it does not show that.
        InvalidInput: If the image is not named by digest.
        MissingDependency: If the extra is not installed.
    """
    digest = ImageReference.of(image).digest.removeprefix("sha256:")
    if not digest:
        msg = f"{image!r} is named by a tag, which nobody can have signed: name it by digest, see pinned()"
        raise InvalidInput(msg)
    try:
        from sigstore.errors import Error  # noqa: PLC0415 -- an extra
        from sigstore.hashes import Hashed  # noqa: PLC0415 -- an extra
        from sigstore.models import Bundle  # noqa: PLC0415 -- an extra
        from sigstore.verify.policy import Identity  # noqa: PLC0415 -- an extra
        from sigstore_models.common.v1 import HashAlgorithm  # noqa: PLC0415 -- an extra
    except ImportError as error:
        msg = "signatures of images need Sigstore's library: pip install 'fairdeploy[sigstore]'"
        raise MissingDependency(msg) from error
    try:
        found, policy = Bundle.from_json(bundle), Identity(identity=signer.identity, issuer=signer.issuer)
        verifier = _verifier(trusted_root)
        if "dsseEnvelope" in json.loads(bundle):
            lack = _lack(*verifier.verify_dsse(found, policy), digest, signer.predicate)
        else:
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(digest))
            verifier.verify_artifact(hashed, found, policy)
            lack = None if signer.predicate is None else "a signature and no statement"
    except (Error, ValueError) as error:
        msg = f"the bundle does not show that {signer.identity!r} signed {image!r}: {error}"
        raise ImageError(msg) from error
    if lack is not None:
        raise ImageError(f"what {signer.identity!r} signed is {lack}: it says nothing of {image!r}")


def _verifier(trusted_root: Path | None) -> Verifier:
    from sigstore.models import TrustedRoot  # noqa: PLC0415 -- an extra
    from sigstore.verify import Verifier  # noqa: PLC0415 -- an extra

    if trusted_root is not None:
        return Verifier(trusted_root=TrustedRoot.from_file(str(trusted_root)))
    return Verifier.production(offline=True)


def _lack(kind: str, payload: bytes, digest: str, predicate: str | None) -> str | None:
    """Return why a statement is not the one that is wanted: https://in-toto.io/Statement/v1."""
    if kind != _STATEMENT:
        return f"of kind {kind!r}"
    statement = json.loads(payload)
    about = [subject.get("digest", {}).get("sha256", "") for subject in statement.get("subject", ())]
    if digest not in about:
        return "about something else"
    if predicate is not None and statement.get("predicateType") != predicate:
        return f"a statement of type {statement.get('predicateType')!r}, not {predicate!r}"
    return None
