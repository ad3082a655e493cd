"""What the suites share: how a test is kept from being dropped, and how it says what it wants."""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

import anyio
import pytest

from fairdeploy.errors import InvalidInput

if TYPE_CHECKING:
    from fairdeploy.model import Capability

__all__ = ["Conformance", "Opened", "expect"]

T = TypeVar("T")

Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]
"""Opens what is tried. Called again, also while the first is open, it opens the same thing as another program would."""

_LOOK_AGAIN = 0.02


class Conformance:
    """A suite of standard tests. Derive from one of its kinds, never from this.

    No standard test can be overridden, deleted or hidden: the class that tries is refused when it is
    made. What is known to fail is said so, with its reason, and must then fail::

        class TestMine(BackendConformance, xfail={"test_tail_is_bounded": "logs are kept elsewhere"}): ...

    Attributes:
        patience: Seconds in which what was asked for must be observed.
    """

    pytestmark = pytest.mark.anyio
    patience: ClassVar[float] = 60.0
    standard_tests: ClassVar[Mapping[str, object]] = {}

    def __init_subclass__(
        cls, *, suite: bool = False, xfail: Mapping[str, str] | None = None, **kwargs: object
    ) -> None:
        """Refuse a class that drops a standard test.

        Args:
            suite: Whether the tests of this class are standard tests themselves.
            xfail: Names of standard tests that are known to fail, each with its reason.
            kwargs: For other bases.

        Raises:
            InvalidInput: If a standard test is overridden, or an expected failure has no reason or no test.
        """
        super().__init_subclass__(**kwargs)
        for name, test in cls.standard_tests.items():
            if inspect.getattr_static(cls, name, None) is not test:
                raise InvalidInput(
                    f"{cls.__name__} drops or overrides the standard test {name!r}: "
                    f"keep it, or derive with xfail={{{name!r}: 'why it fails'}}"
                )
        own = {name: test for name, test in vars(cls).items() if suite and name.startswith("test_")}
        standard = {**cls.standard_tests, **own}
        for name, reason in (xfail or {}).items():
            standard[name] = _expected_to_fail(cls, standard, name, reason)
            setattr(cls, name, standard[name])
        cls.standard_tests = types.MappingProxyType(standard)

    def test_every_standard_test_is_in_place(self) -> None:
        """No test was taken out after the class was made."""
        kind = type(self)
        gone = [
            name
            for name, test in kind.standard_tests.items()
            if inspect.getattr_static(kind, name, None) is not test
        ]
        expect(not gone, f"{kind.__name__} must hold every standard test", gone)

    @staticmethod
    def need(declared: frozenset[Capability], *wanted: Capability) -> None:
        """Skip the test unless these abilities are declared."""
        missing = sorted(set(wanted) - declared)
        if missing:
            pytest.skip(f"not declared: {', '.join(missing)}")

    async def eventually(
        self, look: Callable[[], Awaitable[T]], fits: Callable[[T], object], sentence: str
    ) -> T:
        """Look until what is seen fits, at most for `patience`, and return it."""
        __tracebackhide__ = True
        seen = await look()
        with anyio.move_on_after(self.patience):
            while not fits(seen):
                await anyio.sleep(_LOOK_AGAIN)
                seen = await look()
        expect(fits(seen), f"within {self.patience:g} s {sentence}", seen)
        return seen


def expect(holds: object, sentence: str, seen: object) -> None:
    """Fail the test with a sentence that says what must be, unless it is."""
    __tracebackhide__ = True
    if not holds:
        pytest.fail(f"{sentence}\nseen: {seen!r}")


def _expected_to_fail(cls: type, standard: Mapping[str, object], name: str, reason: str) -> object:
    test = standard.get(name)
    if not isinstance(test, types.FunctionType):
        near = get_close_matches(name, standard, n=1)
        hint = f"is {near[0]!r} meant?" if near else "see standard_tests for those there are"
        raise InvalidInput(f"{cls.__name__} expects {name!r} to fail, but there is no such test: {hint}")
    if not reason.strip():
        raise InvalidInput(f"{cls.__name__} expects {name!r} to fail and does not say why: give the reason")
    copy = types.FunctionType(
        test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__
    )
    copy.__dict__.update(test.__dict__)
    copy.__kwdefaults__, copy.__annotations__ = test.__kwdefaults__, test.__annotations__
    copy.__doc__, copy.__qualname__ = test.__doc__, test.__qualname__
    return pytest.mark.xfail(reason=reason, strict=True)(copy)
