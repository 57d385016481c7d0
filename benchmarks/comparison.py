"""What a loop's run brought, and whether two loops brought the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import median
from typing import Any

from agents.types import End, Episode
from training.methods.rewards import Context, score


@dataclass(frozen=True)
class Told:
    """One episode: its reward, what was said word for word, and how much."""

    reward: float | None
    transcript: str
    turns: int
    error: str | None = None


@dataclass(frozen=True)
class Run:
    """One run of one loop: seconds, and its episodes by number."""

    seconds: float
    episodes: Mapping[int, Told]

    @property
    def rate(self) -> float:
        """Episodes per second."""
        return len(self.episodes) / self.seconds

    @property
    def turns(self) -> int:
        return sum(told.turns for told in self.episodes.values())

    @property
    def errors(self) -> int:
        return sum(told.error is not None for told in self.episodes.values())

    def summary(self) -> str:
        return f"{self.rate:.3f}/s ({len(self.episodes)} in {self.seconds:.1f} s, {self.turns} turns)"

    def as_dict(self) -> dict[str, Any]:
        """Seconds, counts and rates, without the episodes."""
        rewards = [told.reward for told in self.episodes.values() if told.reward is not None]
        return {
            "episodes": len(self.episodes),
            "seconds": round(self.seconds, 2),
            "episodes_per_s": round(self.rate, 4),
            "turns": self.turns,
            "turns_per_s": round(self.turns / self.seconds, 4),
            "mean_reward": round(sum(rewards) / len(rewards), 4) if rewards else None,
            "errors": self.errors,
        }


def told(episode: Episode, context: Context) -> Told:
    """What is compared; an episode that failed has no reward."""
    words = "\x1e".join(f"{turn.role}\x1f{turn.text}" for turn in episode.turns)
    failed = episode.end is End.ENV_ERROR
    reward = None if failed else score(episode, context)["total"]
    transcript = sha256(f"{episode.end}\x1e{words}".encode()).hexdigest()
    return Told(reward, transcript, episode.agent_turns, episode.error)


def agreement(ours: Sequence[Run], theirs: Sequence[Run]) -> dict[str, int]:
    """Over all repeats, how many episodes both loops played and how many came out the same."""
    pairs = [
        (mine.episodes[number], other)
        for mine, run in zip(ours, theirs, strict=True)
        for number, other in run.episodes.items()
    ]
    return {
        "compared": len(pairs),
        "equal_rewards": sum(mine.reward is not None and mine.reward == other.reward for mine, other in pairs),
        "equal_transcripts": sum(mine.transcript == other.transcript for mine, other in pairs),
    }


def median_ratio(ours: Sequence[Run], theirs: Sequence[Run]) -> dict[str, float]:
    """Rates in episodes per second, medians of the repeats; the ratio is that of the medians.

    `ratio_by_turns` compares turns per second: it does not depend on which episodes a sample holds.
    """
    mine, other = median(run.rate for run in ours), median(run.rate for run in theirs)
    by_turns = median(run.turns / run.seconds for run in ours) / median(run.turns / run.seconds for run in theirs)
    return {
        "ours": round(mine, 4),
        "theirs": round(other, 4),
        "ratio": round(mine / other, 2),
        "ratio_by_turns": round(by_turns, 2),
        "lowest": round(min(a.rate / b.rate for a, b in zip(ours, theirs, strict=True)), 2),
        "highest": round(max(a.rate / b.rate for a, b in zip(ours, theirs, strict=True)), 2),
    }
