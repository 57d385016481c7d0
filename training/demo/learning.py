"""The demo loop from the snapshot to the rollback: each step is what the page of that name does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clinic.models import Consultation, ModelVersion
from clinic.services import versions
from training import gates, runs, serving, snapshots
from training.demo.people import People
from training.demo.waiting import wait_for
from training.models import Gate, GateStatus, Run, RunStatus, SignatureRole, Snapshot, TrainerName

RUN_OVER = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)
GATE_OVER = (GateStatus.PASSED, GateStatus.FAILED, GateStatus.UNDECIDED, GateStatus.BROKE)
PROFILE = "demo"
RECIPE = "tiny"
Look = Callable[[str], None]


def freeze(people: People) -> Snapshot:
    return snapshots.make(site=people.site, by=people.starter, name="Demo loop")


def train(people: People, snapshot: Snapshot, *, config: dict[str, Any], seed: int, look: Look) -> Run:
    """A GRPO run from the version that serves, to its end, whatever that is."""
    start, _ = versions.serving_agent()
    run = runs.start(
        site=people.site,
        by=people.starter,
        trainer=TrainerName.GRPO,
        recipe=RECIPE,
        snapshot=snapshot,
        start=start,
        config=config,
        seed=seed,
        name="Demo loop",
    )
    return wait_for(run, over=RUN_OVER, on_look=lambda row: look(f"{row.status} {row.step}/{row.steps} {row.doing}"))


def compare(people: People, candidate: ModelVersion, *, look: Look) -> Gate:
    gate = gates.start(candidate=candidate, by=people.starter, profile=PROFILE)
    return wait_for(gate, over=GATE_OVER, on_look=lambda row: look(f"{row.status} {row.done}/{row.total} {row.doing}"))


def sign(people: People, gate: Gate) -> int:
    """The change record, and two different people under it; how many signed."""
    record = gates.write_record(
        gate=gate,
        by=people.starter,
        modification="Trained by reinforcement learning in the virtual clinic, on what scripted physicians judged.",
        protocol=f"Recipe of the run; compared by the gate profile {gate.profile!r} on sealed virtual patients.",
        impact="A toy policy of the demo loop: it plays virtual patients only and says nothing about real ones.",
        note="Scripted by the demo loop: a tiny policy, no medical claim.",
    )
    gates.sign(record=record, by=people.adjudicator, role=SignatureRole.PHYSICIAN)
    gates.sign(record=record, by=people.promoter, role=SignatureRole.ADMIN)
    return int(record.signatures.count())


def promote(people: People, version: ModelVersion) -> dict[str, Any]:
    done = serving.promote(version=version, by=people.promoter)
    return {"version": done.version.version, "before": done.before.version if done.before else None}


def roll_back(people: People) -> dict[str, Any]:
    done = serving.roll_back(by=people.promoter, reason="Scripted: the demo loop takes its step back.")
    return {"version": done.version.version, "before": done.before.version if done.before else None}


def speaks(consultation: Consultation, version: ModelVersion, said: list[dict[str, Any]]) -> bool:
    """Whether every turn of the agent carries this version's identity, and the consultation is pinned to it."""
    return (
        bool(said)
        and consultation.model_version_id == version.pk
        and all(one["version"] == version.version for one in said)
    )
