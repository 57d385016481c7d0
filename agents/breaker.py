"""A circuit breaker: after failures in a row, answer at once instead of letting everyone wait for a time-out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agents.errors import PolicyUnavailable


class CircuitBreaker:
    """Closed, open after `failures` in a row, half-open (one trial at a time) after `pause` seconds."""

    def __init__(self, failures: int = 5, pause: float = 10.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = failures
        self.pause = pause
        self._clock = clock
        self._count = 0
        self._opened: float | None = None
        self._trying = False

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if self._opened is None:
            return "closed"
        return "half_open" if self._clock() - self._opened >= self.pause else "open"

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Counts what happens inside; PolicyUnavailable at once while open.

        A reader that leaves early is neither a success nor a failure.
        """
        trial = self._enter()
        try:
            yield
            self.succeeded()
        except PolicyUnavailable:
            self.failed()
            raise
        finally:
            if trial:
                self._trying = False

    def succeeded(self) -> None:
        self._count = 0
        self._opened = None

    def failed(self) -> None:
        self._count += 1
        if self._count >= self.failures:
            self._opened = self._clock()

    def _enter(self) -> bool:
        if self.state == "closed":
            return False
        if self.state == "open" or self._trying:
            raise PolicyUnavailable(
                "the model server failed repeatedly; waiting before the next try", code="policy_unavailable"
            )
        self._trying = True
        return True
