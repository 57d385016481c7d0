"""The loop around a world model: a refused draw is drawn again with the next seed, then there is no result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from agents.types import Observation, Source
from agents.world.plausibility.verdict import Complaint, Verdict

TRIES = 3
UNAVAILABLE = "No believable result could be simulated for this examination."

Draw = Callable[[int], Awaitable[Observation]]
"""From a seed to one simulated result; raises where the model cannot be reached."""
Check = Callable[[str], Sequence[Complaint]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it: the accepted draw or an UNAVAILABLE observation, and what was said of every draw."""

    observation: Observation
    verdicts: tuple[Verdict, ...]
    refused: tuple[str, ...] = ()
    """The texts that were refused, for the record only: never shown as a result."""

    @property
    def accepted(self) -> bool:
        return self.verdicts[-1].accepted


async def accept(draw: Draw, check: Check, *, seed: int = 0, tries: int = TRIES) -> Judged:
    """The first of `tries` draws (seeds `seed`, `seed` + 1, ...) that the check does not refuse.

    Errors of `draw` pass through: an outage is not a refused result. ValueError for fewer than one try.
    """
    if tries < 1:
        raise ValueError("a result needs one try at least")
    verdicts: list[Verdict] = []
    refused: list[str] = []
    for number in range(seed, seed + tries):
        observation = await draw(number)
        verdict = Verdict(tuple(check(observation.text)), number)
        verdicts.append(verdict)
        if verdict.accepted:
            return Judged(observation, tuple(verdicts), tuple(refused))
        refused.append(observation.text)
    gone = replace(observation, text=f"{UNAVAILABLE} {verdict.reason}", source=Source.UNAVAILABLE, values=())
    return Judged(gone, tuple(verdicts), tuple(refused))
