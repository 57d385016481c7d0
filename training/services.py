"""Evaluations: begun, played, kept case by case, finished or broken off; asked for again, they go on."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.judge import RuleJudge
from agents.rollout import Limits
from agents.rubrics import Verdict
from clinic.models import Site, User
from clinic.services import audit
from clinic.services.errors import Refused
from training import judges
from training.case_sets import CaseSet, open_cases
from training.evaluation import calibration
from training.evaluation.cases import kept_references
from training.evaluation.run import Progress, Settings
from training.evaluation.run import evaluate as run_protocol
from training.evaluation.store import OtherRun
from training.judges import ConfiguredJudge
from training.models import EvaluatedEpisode, Evaluation, EvaluationStatus, Protocol
from training.opponents import Opponent
from training.results import CaseRow, rows_of

HEARD_EVERY = 0.5
"""Seconds between two looks at how far the players are; each look that finds news is one row written."""


class Unscored(Refused):
    """Not one case has an outcome."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a protocol, the cases by name, how many of them, the seeds, and how many at once."""

    protocol: str
    cases: str
    limit: int | None = None
    seed: int = 0
    case_seed: int = 0
    at_once: int = 16


def evaluate(
    *, wanted: Wanted, opponent: Opponent, site: Site, by: User | None, on_progress: Progress | None = None
) -> Evaluation:
    """The finished evaluation; raises Refused, and Unscored where no case had an outcome.

    The same request goes on where it broke off, and plays again only what failed or was never finished.
    """
    found = open_cases(name=wanted.cases, site=site, limit=wanted.limit, case_seed=wanted.case_seed)
    if not opponent.plays_records and not all(case.is_virtual for case in found.cases):
        raise Refused(f"The {opponent.player.name} policy plays virtual cases only: a record has no known posterior.")
    judge = judges.of_evaluations(seed=wanted.seed)
    folder = _home() / _name(wanted, opponent, found, judge)
    how = Settings(judge=judge.speaks if judge else None, concurrency=wanted.at_once, seed=wanted.seed)
    with _alone(folder), kept_references(_home() / "references.json"):
        evaluation = begin(
            wanted=wanted, opponent=opponent, site=site, by=by, folder=folder.name, cases=found, judge=judge
        )
        try:
            summary = _play(evaluation, opponent, found, folder, how, on_progress)
        except BaseException as error:
            fail(evaluation=evaluation, by=by, reason=_reason(error), cases=found, folder=folder)
            if isinstance(error, OtherRun):
                raise Refused(f"The files of this evaluation belong to another one: {error}.") from error
            raise
        finish(evaluation=evaluation, by=by, summary=summary, cases=found, folder=folder)
    if summary["n"] and not summary["scored"]:
        raise Unscored(f"No case could be scored. {evaluation.error}".strip())
    return evaluation


@transaction.atomic
def begin(
    *,
    wanted: Wanted,
    opponent: Opponent,
    site: Site,
    by: User | None,
    folder: str,
    cases: CaseSet,
    judge: ConfiguredJudge | None = None,
) -> Evaluation:
    """The running row of this request: a new one, or the one it had before."""
    facts = {
        "protocol": wanted.protocol,
        "case_set": wanted.cases,
        "case_seed": wanted.case_seed,
        "policy": opponent.player.name,
        "identity": opponent.player.identity.as_dict(),
        "seed": wanted.seed,
    }
    row, made = Evaluation.objects.get_or_create(
        site=site, folder=folder, limit=wanted.limit, defaults={**facts, "by": by}
    )
    fresh: dict[str, Any] = {
        "done": 0,
        "total": len(cases.cases),
        "error": "",
        "finished_at": None,
        "limits": asdict(Limits()),
        "contents": cases.contents,
        "judge": judge.identity if judge else {},
    }
    if row.status == EvaluationStatus.RUNNING:
        # Its process is gone: the folder's lock is ours.
        _update(row, **fresh)
    else:
        again = "" if made else "asked for again"
        row.move_to(EvaluationStatus.RUNNING, by=by, reason=again, **fresh)
    _audit(row, by, "started", policy=row.policy, cases=row.case_set, n=row.total, judge=row.judging_model)
    return row


@transaction.atomic
def finish(
    *, evaluation: Evaluation, by: User | None, summary: dict[str, Any], cases: CaseSet, folder: Path
) -> Evaluation:
    """Keep the summary and every case. Without a single outcome the evaluation has failed."""
    rows = keep_cases(evaluation=evaluation, cases=cases, folder=folder)
    kept = {**summary, "reliability": [asdict(bar) for bar in _reliability(rows)]}
    scored = bool(summary["scored"]) or not summary["n"]
    reason = "" if scored else _why_unscored(rows)
    status = EvaluationStatus.SUCCEEDED if scored else EvaluationStatus.FAILED
    done: dict[str, Any] = {"done": evaluation.total, "doing": "", "finished_at": timezone.now()}
    evaluation.move_to(status, by=by, summary=kept, error=reason, **done)
    _audit(evaluation, by, str(status), n=summary["n"], accuracy=summary["accuracy"])
    return evaluation


@transaction.atomic
def fail(*, evaluation: Evaluation, by: User | None, reason: str, cases: CaseSet, folder: Path) -> Evaluation:
    """What was finished is kept, and can be read."""
    keep_cases(evaluation=evaluation, cases=cases, folder=folder)
    changes: dict[str, Any] = {"error": reason, "doing": "", "finished_at": timezone.now()}
    evaluation.move_to(EvaluationStatus.FAILED, by=by, reason=reason, **changes)
    _audit(evaluation, by, "failed", reason=reason)
    return evaluation


def keep_cases(*, evaluation: Evaluation, cases: CaseSet, folder: Path) -> list[CaseRow]:
    """A row for each case of the folder's files; those of an earlier try are replaced."""
    rows = rows_of(folder, evaluation.protocol, cases.cases)
    made = [EvaluatedEpisode(evaluation=evaluation, **row.fields()) for row in rows]
    fields = [name for name in rows[0].fields() if name != "case"] if rows else []
    if made:
        EvaluatedEpisode.objects.bulk_create(
            made, update_conflicts=True, unique_fields=["evaluation", "case"], update_fields=fields
        )
    return rows


def _play(
    evaluation: Evaluation,
    opponent: Opponent,
    cases: CaseSet,
    folder: Path,
    how: Settings,
    on_progress: Progress | None,
) -> dict[str, Any]:
    """The event loop has a thread of its own, since rows may not be written where one runs."""
    heard: SimpleQueue[tuple[int, int, str]] = SimpleQueue()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def play() -> dict[str, Any]:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        try:
            return await run_protocol(
                evaluation.protocol,
                cases.cases,
                opponent.player,
                folder=folder,
                settings=how,
                on_progress=lambda *news: heard.put(news),
            )
        finally:
            await opponent.close()
            await judges.close(how.judge)

    with ThreadPoolExecutor(1) as thread:
        played = thread.submit(lambda: asyncio.run(play()))
        try:
            _listen(evaluation, played, heard, on_progress)
        except BaseException:
            # Or leaving the block would wait until the last consultation has been played.
            for loop, task in running:
                loop.call_soon_threadsafe(task.cancel)
            raise
    return played.result()


def _listen(
    evaluation: Evaluation,
    played: Future[dict[str, Any]],
    heard: SimpleQueue[tuple[int, int, str]],
    on_progress: Progress | None,
) -> None:
    while not (played.done() and heard.empty()):
        try:
            news = heard.get(timeout=HEARD_EVERY)
        except Empty:
            continue
        while not heard.empty():
            news = heard.get()
        done, total, doing = news
        _update(evaluation, done=min(done, total), total=total, doing=doing)
        if on_progress:
            on_progress(done, total, doing)


def _update(evaluation: Evaluation, **changes: Any) -> None:
    Evaluation.objects.filter(pk=evaluation.pk).update(**changes)
    for name, value in changes.items():
        setattr(evaluation, name, value)


def _reliability(rows: list[CaseRow]) -> list[calibration.Bin]:
    told = [row.result for row in rows if row.result.get("confidence") is not None and row.result["end"] == "FINISH"]
    return calibration.reliability([row["confidence"] for row in told], [row["correct"] for row in told])


def _home() -> Path:
    return Path(os.environ.get("ROUNDS_HOME") or settings.BASE_DIR / "var").resolve() / "evaluations"


def _name(wanted: Wanted, opponent: Opponent, cases: CaseSet, judge: ConfiguredJudge | None = None) -> str:
    """The same for every limit, so that a longer run goes on from a shorter one; another one for another judge."""
    same = {**asdict(wanted), "name": opponent.player.name, "policy": opponent.player.identity.as_dict()}
    same = {name: value for name, value in same.items() if name not in ("limit", "at_once")}
    if judge or wanted.protocol == Protocol.RUBRIC:
        same["judge"] = judge.identity if judge else RuleJudge.identity
    digest = hashlib.sha256(json.dumps([same, cases.contents], sort_keys=True).encode()).hexdigest()
    words = f"{wanted.protocol}-{wanted.cases}-{opponent.player.name}"
    return f"{''.join(c if c.isalnum() or c in '-._' else '-' for c in words)[:90]}-{digest[:12]}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time in a folder; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("This evaluation is already running; its page shows how far it is.") from error
        yield


def _why_unscored(rows: list[CaseRow]) -> str:
    """The first failure of an environment, else of a judge."""
    errors = [str(row.result["error"]) for row in rows if row.result.get("error")]
    ratings = [rating for row in rows for rating in (row.result.get("rubric") or {}).get("ratings", ())]
    errors += [rating["reason"] for rating in ratings if rating["verdict"] == Verdict.ERROR]
    return errors[0] if errors else ""


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted. The same command goes on from here."
    return f"{type(error).__name__}: {error}"


def _audit(evaluation: Evaluation, by: User | None, what: str, **data: Any) -> None:
    audit.record(
        by=by, action=f"evaluation.{what}", noun="evaluation", target=evaluation.pk, data=data, site=evaluation.site
    )
