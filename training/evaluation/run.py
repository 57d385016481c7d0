"""Runs a protocol of DiagBench: many cases at once, resumable, with progress; returns the summary of contracts.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents import episodes
from agents.answers import unruled
from agents.judge import LanguageJudge, RuleJudge, RulesFirst
from agents.rollout import Limits, run_episode
from agents.types import End, Episode, PolicyIdentity
from training.evaluation import end_to_end, rubric, single_turn
from training.evaluation.cases import EvaluationCase
from training.evaluation.end_to_end import CaseResult
from training.evaluation.policies import GreedyOracle, Player
from training.evaluation.statistics import subgroup_tables
from training.evaluation.store import RunFile

PROTOCOLS = ("single-turn", "end-to-end", "rubric")
KEYS = (
    "n", "accuracy", "accuracy_over_oracle", "precision", "recall", "f1_mean_per_case", "f1_of_means", "turns", "cost",
    "malformed", "deferred", "ece", "ci",
)  # fmt: skip
"""Every summary has these (contracts.md); None where a protocol does not measure one."""

Progress = Callable[[int, int, str], None]
"""(done, total, what is being done)."""


@dataclass(frozen=True)
class Settings:
    """How a run plays and judges. `concurrency` counts consultations; rules that plan on the CPU take two at once."""

    limits: Limits = field(default_factory=Limits)
    judge: LanguageJudge | None = None
    """None: what the table of diagnoses cannot decide stays undecided, and rubrics are judged by rules alone."""
    concurrency: int = 16
    seed: int = 0
    against_oracle: bool = True


@dataclass(frozen=True)
class Played:
    """One case of a run."""

    case: EvaluationCase
    episode: Episode
    result: CaseResult


async def evaluate(
    protocol: str,
    cases: Sequence[EvaluationCase],
    player: Player,
    *,
    folder: Path | None = None,
    settings: Settings | None = None,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """The summary of one protocol; files of a resumable run go to `folder`.

    Raises ValueError for an unknown protocol or a player that cannot play these cases, store.OtherRun where the
    folder holds another evaluation.
    """
    settings = settings or Settings()
    tell = on_progress or (lambda done, total, what: None)
    runs = {"single-turn": _single_turn, "end-to-end": _end_to_end, "rubric": _rubric}
    if protocol not in runs:
        raise ValueError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    summary = await runs[protocol](cases, player, folder, settings, tell)
    identity = {"protocol": protocol, "policy": _who(player, protocol).as_dict(), "name": player.name}
    return {**dict.fromkeys(KEYS), **summary, **identity}


async def play(
    cases: Sequence[EvaluationCase],
    player: Player,
    *,
    path: Path | None = None,
    settings: Settings,
    tell: Progress,
) -> list[Played]:
    """One scored consultation per case, in the order of the cases; finished ones are read from `path`."""
    file = RunFile(path, _header(player, settings)) if path else None

    async def one(case: EvaluationCase) -> Played:
        kept = file.rows.get(case.id) if file else None
        episode = episodes.load(kept["episode"]) if kept else None
        if episode is None or episode.end is End.ENV_ERROR:
            env = case.environment()
            episode = await run_episode(player.seat(case.id, env.world), env, limits=settings.limits)
            kept = None
        if kept and not kept["result"]["error"]:
            return Played(case, episode, CaseResult(**kept["result"]))
        result = await end_to_end.score(episode, case, judge=settings.judge)
        if file:
            file.add(case.id, {"episode": episode.as_dict(), "result": result.as_dict()})
        return Played(case, episode, result)

    return await _each(cases, one, _at_once(player, settings), player.name, tell)


async def _end_to_end(
    cases: Sequence[EvaluationCase], player: Player, folder: Path | None, settings: Settings, tell: Progress
) -> dict[str, Any]:
    path = folder / "episodes.jsonl" if folder else None
    played = await play(cases, player, path=path, settings=settings, tell=tell)
    results = [row.result for row in played]
    oracle = await _oracle(cases, player, results, folder, settings, tell)
    summary = end_to_end.summarise(results, oracle=oracle, seed=settings.seed)
    summary["subgroups"] = _subgroups(results)
    summary["centres"] = {
        name: end_to_end.summarise([r for r in results if r.centre == name], seed=settings.seed)
        for name in sorted({r.centre for r in results})
    }
    return summary


async def _oracle(
    cases: Sequence[EvaluationCase],
    player: Player,
    results: Sequence[CaseResult],
    folder: Path | None,
    settings: Settings,
    tell: Progress,
) -> Sequence[CaseResult] | None:
    """What the greedy oracle does on the same cases within the same limits, in the same run (decisions.md 19)."""
    if not settings.against_oracle or not cases or not all(case.is_virtual for case in cases):
        return None
    if isinstance(player, GreedyOracle):
        return results
    path = folder / "oracle.jsonl" if folder else None
    oracle = GreedyOracle(max_turns=settings.limits.max_turns)
    return [row.result for row in await play(cases, oracle, path=path, settings=settings, tell=tell)]


async def _single_turn(
    cases: Sequence[EvaluationCase], player: Player, folder: Path | None, settings: Settings, tell: Progress
) -> dict[str, Any]:
    file = RunFile(folder / "single_turn.jsonl", _header(player, settings, "single-turn")) if folder else None

    async def one(case: EvaluationCase) -> single_turn.SingleTurnResult:
        kept = file.rows.get(case.id) if file else None
        if kept and not kept["error"]:
            turns = tuple(single_turn.TurnResult(**turn) for turn in kept["turns"])
            return single_turn.SingleTurnResult(case=case.id, **{**kept, "turns": turns})
        result = await single_turn.play(case, player, judge=settings.judge)
        if file:
            file.add(case.id, {name: value for name, value in result.as_dict().items() if name != "case"})
        return result

    results = await _each(cases, one, _at_once(player, settings), player.name, tell)
    return single_turn.summarise(results, seed=settings.seed)


async def _rubric(
    cases: Sequence[EvaluationCase], player: Player, folder: Path | None, settings: Settings, tell: Progress
) -> dict[str, Any]:
    path = folder / "episodes.jsonl" if folder else None
    played = await play(cases, player, path=path, settings=settings, tell=tell)
    judge = RulesFirst(settings.judge) if settings.judge else RuleJudge()
    header = {**_header(player, settings), "judge": judge.identity}
    file = RunFile(folder / "ratings.jsonl", header) if folder else None
    episodes_of = {row.case.id: row.episode for row in played}

    async def one(case: EvaluationCase) -> rubric.RubricResult:
        kept = rubric.load(case.id, file.rows.get(case.id)) if file else None
        if kept and kept.is_whole:
            return kept
        result = await rubric.rate(episodes_of[case.id], rubric.criteria_of(case), case, judge)
        if file:
            file.add(case.id, {name: value for name, value in result.as_dict().items() if name != "case"})
        return result

    rated = [row.case for row in played if rubric.criteria_of(row.case)]
    results = await _each(rated, one, settings.concurrency, f"{player.name}, judged", tell)
    summary = rubric.summarise(results, seed=settings.seed)
    summary["without_rubric"] = [row.case.id for row in played if row.case not in rated]
    return summary


async def _each(
    cases: Sequence[EvaluationCase],
    one: Callable[[EvaluationCase], Awaitable[Any]],
    at_once: int,
    what: str,
    tell: Progress,
) -> list[Any]:
    gate = asyncio.Semaphore(at_once)
    done = 0

    async def gated(case: EvaluationCase) -> Any:
        nonlocal done
        async with gate:
            result = await one(case)
        done += 1
        tell(done, len(cases), what)
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gated(case)) for case in cases]
    except ExceptionGroup as failed:
        # Callers know the error of one case, not a group of them.
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


def _at_once(player: Player, settings: Settings) -> int:
    return min(2, settings.concurrency) if player.identity.engine == "oracle" else settings.concurrency


def _who(player: Player, protocol: str) -> PolicyIdentity:
    """Single turns are what the policy itself says: the rules of agents.answers are passed by."""
    return unruled(player.identity) if protocol == "single-turn" else player.identity


def _header(player: Player, settings: Settings, protocol: str = "end-to-end") -> dict[str, Any]:
    """What must be the same for two parts of one run."""
    judge = settings.judge.identity if settings.judge else None
    return {"policy": _who(player, protocol).as_dict(), "limits": asdict(settings.limits), "judge": judge}


def _subgroups(results: Sequence[CaseResult]) -> dict[str, list[dict[str, Any]]]:
    """Accuracy by subgroup of the scored cases, small cells hidden."""
    scored = [r for r in results if r.error is None]
    tables = subgroup_tables([float(r.correct) for r in scored], [r.subgroups for r in scored])
    return {name: [asdict(cell) for cell in table] for name, table in tables.items()}
