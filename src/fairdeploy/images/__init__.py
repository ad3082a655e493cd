"""Which image it is: a tag made a digest once, before a plan holds it, and who signed that digest."""

from __future__ import annotations

from fairdeploy.images.reference import ImageReference
from fairdeploy.images.registry import Registry, digest_of, pinned
from fairdeploy.images.signature import Signer, verify_image

__all__ = ["ImageReference", "Registry", "Signer", "digest_of", "pinned", "verify_image"]
