"""Whose certificates are believed, read once: reading them takes some 20 ms. Imports httpx, for what it trusts."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import httpx

__all__ = ["bare", "trusting"]


def trusting(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a file, read again when it has changed; else those that httpx trusts.

    Args:
        ca_file: PEM; ``None``: the usual ones.

    Raises:
        OSError: If the file cannot be read.
    """
    return _usual() if ca_file is None else _of_file(ca_file, Path(ca_file).stat().st_mtime_ns)


@lru_cache(maxsize=1)
def bare() -> ssl.SSLContext:
    """Return one that trusts nobody: for plain HTTP, where httpx wants a context all the same."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@lru_cache(maxsize=1)
def _usual() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@lru_cache(maxsize=16)
def _of_file(path: str, _changed: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)
