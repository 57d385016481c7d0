"""A service: a program that is started again, more and more slowly, when it ends by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from clinic.local.problem import say
from clinic.local.processes import Child

FIRST_DELAY, LAST_DELAY, STEADY_SECONDS = 0.2, 30.0, 60.0


class Service:
    """Holds one program up; `tick` is called a few times a second by the supervisor's loop."""

    def __init__(self, name: str, spawn: Callable[[], Child], *, grace: float = 10.0) -> None:
        self.name, self.grace = name, grace
        self._spawn = spawn
        self._delay = FIRST_DELAY
        self._again_at: float | None = None
        self.child: Child | None = None

    def start(self) -> Child:
        self._again_at = None
        self.child = self._spawn()
        return self.child

    def tick(self) -> None:
        if self._again_at is not None:
            if time.monotonic() >= self._again_at:
                self.start()
        elif self.child is not None and self.child.poll() is not None:
            self._ended(self.child)

    def _ended(self, child: Child) -> None:
        child.kill_rest()
        self.child = None
        lived = time.monotonic() - child.started
        self._delay = FIRST_DELAY if lived > STEADY_SECONDS else min(self._delay * 2, LAST_DELAY)
        self._again_at = time.monotonic() + self._delay
        say(f"{self.name} ended unexpectedly ({_how(child.poll())}); starting it again in {self._delay:.1f} s")

    def ask_to_stop(self) -> None:
        self._again_at = None
        if self.child is not None:
            self.child.ask_to_stop()

    def stop(self) -> None:
        self._again_at = None
        if self.child is not None:
            self.child.stop(self.grace)
            self.child = None


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
