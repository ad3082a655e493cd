"""Who signed an image, by real bundles: test data of sigstore-python (Apache-2.0), verified without a network."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from fairdeploy.errors import ImageError, InvalidInput
from fairdeploy.images import Signer, verify_image

HERE = Path(__file__).parent / "bundles"
GITHUB = "https://token.actions.githubusercontent.com"
MESSAGE = (HERE / "message.sigstore.json").read_text(encoding="utf-8")
"""Over the bytes of a file, by a workflow, in the public instance."""
SIGNED = "shop/web@sha256:c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201"
WORKFLOW = Signer(
    "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2", issuer=GITHUB
)
STATEMENT = (HERE / "statement.staging.sigstore.json").read_text(encoding="utf-8")
"""A statement of provenance about a file, in the staging instance, with the second version of its log."""
STATED = "shop/web@sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"
PROVENANCE = "https://slsa.dev/provenance/v1"
BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
    "/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
OTHER = f"shop/web@sha256:{'0' * 64}"


def _root(host: str) -> Path:
    """Return the root of trust of one of Sigstore's instances, as its library brings it."""
    return Path(str(files("sigstore._store") / f"https%3A%2F%2F{host}" / "trusted_root.json"))


PUBLIC, STAGING = _root("tuf-repo-cdn.sigstore.dev"), _root("tuf-repo-cdn.sigstage.dev")


def test_a_signed_image_passes() -> None:
    """The signature over its digest by whom it must be."""
    verify_image(SIGNED, MESSAGE, WORKFLOW, trusted_root=PUBLIC)


def test_provenance_passes() -> None:
    """A signed statement about its digest, of the type that is wanted."""
    verify_image(STATED, STATEMENT, Signer(BEACON, issuer=GITHUB, predicate=PROVENANCE), trusted_root=STAGING)


@pytest.mark.parametrize(
    ("image", "bundle", "signer", "root", "why"),
    [
        (OTHER, MESSAGE, WORKFLOW, PUBLIC, "does not show"),
        (SIGNED, MESSAGE, Signer("eve@example.org", issuer=GITHUB), PUBLIC, "does not show"),
        (SIGNED, MESSAGE, Signer(WORKFLOW.identity, issuer="https://example.org"), PUBLIC, "does not show"),
        (
            SIGNED,
            MESSAGE,
            Signer(WORKFLOW.identity, issuer=GITHUB, predicate=PROVENANCE),
            PUBLIC,
            "no statement",
        ),
        (SIGNED, MESSAGE, WORKFLOW, STAGING, "does not show"),
        (SIGNED, "{}", WORKFLOW, PUBLIC, "does not show"),
        (OTHER, STATEMENT, Signer(BEACON, issuer=GITHUB), STAGING, "about something else"),
        (
            STATED,
            STATEMENT,
            Signer(BEACON, issuer=GITHUB, predicate="https://spdx.dev/Document"),
            STAGING,
            "of type",
        ),
    ],
    ids=["digest", "identity", "issuer", "statement", "root", "bundle", "subject", "predicate"],
)
def test_anything_else_is_refused(image: str, bundle: str, signer: Signer, root: Path, why: str) -> None:
    """Another image, signer, issuer, type or root of trust, and what is no bundle."""
    with pytest.raises(ImageError, match=why):
        verify_image(image, bundle, signer, trusted_root=root)


def test_a_changed_statement_is_refused() -> None:
    """One letter of the signed statement, and it says nothing any more."""
    changed = json.loads(STATEMENT)
    payload = changed["dsseEnvelope"]["payload"]
    changed["dsseEnvelope"]["payload"] = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    with pytest.raises(ImageError, match="does not show"):
        verify_image(STATED, json.dumps(changed), Signer(BEACON, issuer=GITHUB), trusted_root=STAGING)


def test_a_tag_cannot_have_been_signed() -> None:
    """Only a digest can be verified, and only for somebody."""
    with pytest.raises(InvalidInput, match="by a tag"):
        verify_image("shop/web:1", MESSAGE, WORKFLOW)
    with pytest.raises(InvalidInput, match="needs an identity"):
        Signer("", issuer=GITHUB)
