"""What AWS refuses, in our words: who may not do what, where; whether it is worth another try."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import (  # type: ignore[import-untyped]  # what is used of it is plain
    BotoCoreError,
    ClientError,
    ConnectionError as NoConnection,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    TokenRetrievalError,
)

if TYPE_CHECKING:
    from fairdeploy.errors import FairdeployError

__all__ = ["KNOWN", "code_of", "mapped"]

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
"""As botocore's standard retries know them (`botocore.retries.standard.ThrottledRetryableChecker`)."""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_NOBODY = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_WHO = re.compile(r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)")
_ON = re.compile(r"on resource: (?P<resource>\S+)")
_OUR_FAULT = range(400, 500)
_THROTTLE_PAUSE = 2.0


def code_of(error: BaseException) -> str:
    """Return AWS's code of an error that was made here, such as ``ServiceNotFoundException``; empty if there is none."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


def mapped(error: Exception, doing: str, region: str, kind: type[FairdeployError]) -> FairdeployError:
    """Return what becomes of an error of botocore.

    Args:
        error: Of botocore, or a time that ran out.
        doing: Service and operation, such as ``ecs:DescribeServices``.
        region: Where.
        kind: Which error of ours.
    """
    if isinstance(error, ClientError):
        return _refused(error, doing, region, kind)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError, TokenRetrievalError)):
        return _final(
            kind(
                f"there are no AWS credentials for {doing} ({error}): "
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role"
            )
        )
    if isinstance(error, EndpointConnectionError):
        return kind(
            f"{doing} does not reach AWS in {region!r} ({error}): see the network, and whether the region is meant"
        )
    if isinstance(error, (NoConnection, HTTPClientError, TimeoutError, OSError)):
        return kind(
            f"{doing} in {region!r} had no answer ({type(error).__name__}): it may have been done all the same"
        )
    if isinstance(error, ParamValidationError):
        return _final(kind(f"{doing} cannot be asked like that: {str(error).partition(':')[2].strip()}"))
    return _final(kind(f"{doing} in {region!r} cannot be asked: {type(error).__name__}: {error}"))


def _refused(error: ClientError, doing: str, region: str, kind: type[FairdeployError]) -> FairdeployError:
    said = error.response.get("Error", {})
    code, words = str(said.get("Code", "")), str(said.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED:
        found = kind(
            f"{doing} in {region!r} is throttled by AWS ({code}): other programs of the account count too"
        )
        found.retryable, found.retry_after = True, _THROTTLE_PAUSE
        return found
    if code in _DENIED:
        who, where = _WHO.search(words), _ON.search(words)
        action = who["action"] if who else doing
        resource = f" on {where['resource']}" if where else ""
        return _final(
            kind(
                f"{who['who'] if who else 'whoever runs this'} may not {action}{resource} ({code}): "
                "add it to the policy, see fairdeploy.provision.permissions"
            )
        )
    if code in _NOBODY:
        return _final(
            kind(f"AWS does not take the credentials for {doing} in {region!r} ({code}): renew them")
        )
    found = kind(f"{doing} in {region!r} was refused: {code}: {words}")
    return _final(found) if status in _OUR_FAULT else found


def _final(error: FairdeployError) -> FairdeployError:
    """Mark what the same call will not mend."""
    error.retryable = False
    return error


KNOWN = (BotoCoreError, ClientError, OSError, TimeoutError)
"""What a call can raise that is AWS's, or the way's to it."""
