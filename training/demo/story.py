"""The story of the demo loop: nine steps, each with what it did, how long it took, and the page that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from clinic.local.problem import LocalProblem
from clinic.models import ModelVersion
from clinic.services import versions, virtual_clinic
from clinic.services.errors import Refused
from training.demo import consulting, learning, rating
from training.demo.people import People, people
from training.models import Gate, GateStatus, Run, RunStatus, Snapshot

STEPS = ("consultations", "ratings", "snapshot", "run", "gate", "signatures", "promoted", "served", "rolled_back")
Tell = Callable[[str, str], None]


class NotAsExpected(Exception):
    """A step ran and did not do what the story needs; `str()` says what it did."""


@dataclass(slots=True)
class Story:
    """`address` is the web server's; `tell(step, text)` hears of progress; `steps` is what the command prints."""

    address: str
    many: int
    config: dict[str, Any]
    seed: int
    tell: Tell
    steps: list[dict[str, Any]] = field(default_factory=list)
    _people: People | None = None
    _held: list[Any] = field(default_factory=list)
    _before: ModelVersion | None = None
    _snapshot: Snapshot | None = None
    _run: Run | None = None
    _gate: Gate | None = None

    def play(self) -> bool:
        """Every step in order, up to the first that fails; whether all behaved as expected."""
        for name in STEPS:
            began = time.monotonic()
            self.tell(name, "")
            try:
                told = getattr(self, f"_{name}_step")()
                entry = {"ok": True, **told}
            except (Refused, NotAsExpected, LocalProblem) as problem:
                entry = {"ok": False, "error": str(problem)}
            entry = {"name": name, "ok": entry.pop("ok"), "seconds": round(time.monotonic() - began, 1), **entry}
            self.steps.append(entry)
            self.tell(name, "done" if entry["ok"] else entry["error"])
            if not entry["ok"]:
                return False
        return True

    @property
    def people(self) -> People:
        if self._people is None:
            self._people = people()
        return self._people

    def _page(self, name: str, *args: Any) -> str:
        return self.address.rstrip("/") + reverse(name, args=args)

    def _consultations_step(self) -> dict[str, Any]:
        virtual_clinic.open_bank(site=self.people.site, by=None)
        self._before, _ = versions.serving_agent()
        cases = consulting.practice_cases(self.people, self.many)
        done = iter(range(1, self.many + 1))
        self._held = consulting.hold_all(
            self.address, self.people, cases, lambda: self.tell("consultations", f"{next(done)}/{self.many}")
        )
        said = [consulting.policies_of(row) for row in self._held]
        return {
            "n": len(self._held),
            "turns": sum(map(len, said)),
            "version": self._before.version,
            "page": self._page("consultation_list"),
        }

    def _ratings_step(self) -> dict[str, Any]:
        told = rating.rate_all(self.people, self._held, seed=self.seed, title="Demo loop")
        if not told["approved"]:
            raise NotAsExpected("No feedback could be approved.")
        return {**told, "page": self._page("learning_review")}

    def _snapshot_step(self) -> dict[str, Any]:
        self._snapshot = learning.freeze(self.people)
        told = self._snapshot.manifest
        counts = {name: len(told[name]) for name in ("feedback", "cases", "annotators")}
        page = self._page("training:snapshot_detail", self._snapshot.pk)
        return {"digest": self._snapshot.digest, **counts, "page": page}

    def _run_step(self) -> dict[str, Any]:
        assert self._snapshot is not None
        self._run = learning.train(
            self.people,
            self._snapshot,
            config=self.config,
            seed=self.seed,
            look=lambda text: self.tell("run", text),
        )
        if self._run.status != RunStatus.SUCCEEDED or self._run.version is None:
            raise NotAsExpected(f"The run {self._run.get_status_display().lower()}: {self._run.error}")
        rewards = [m.values["reward"] for m in self._run.metrics.all() if m.values.get("reward") is not None]
        return {
            "version": self._run.version.version,
            "steps": self._run.step,
            "reward_first": rewards[0] if rewards else None,
            "reward_last": rewards[-1] if rewards else None,
            "page": self._page("training:run_detail", self._run.pk),
        }

    def _gate_step(self) -> dict[str, Any]:
        version = self._made()
        self._gate = learning.compare(self.people, version, look=lambda text: self.tell("gate", text))
        page = self._page("training:gate_detail", self._gate.pk)
        if self._gate.status != GateStatus.PASSED:
            why = [f"{c.title}: {c.why or c.outcome}" for c in self._gate.checks.exclude(outcome="passed")]
            raise NotAsExpected(f"{self._gate.get_status_display()}. {'; '.join(why) or self._gate.error} ({page})")
        primary = self._gate.checks.get(kind="primary")
        return {
            "profile": self._gate.profile,
            "n": self._gate.n,
            "primary": primary.name,
            "difference": primary.difference,
            "ci": [primary.low, primary.high],
            "page": page,
        }

    def _signatures_step(self) -> dict[str, Any]:
        assert self._gate is not None
        refused = self._promotion_is_refused()
        signed = learning.sign(self.people, self._gate)
        if signed != 2 or not refused:
            raise NotAsExpected("The promotion was not refused before both had signed.")
        return {"signed": signed, "refused_before": refused, "page": self._page("training:gate_detail", self._gate.pk)}

    def _promotion_is_refused(self) -> str:
        """The sentence by which an unsigned promotion is refused: the expected refusal of this story."""
        try:
            learning.promote(self.people, self._made())
        except Refused as refusal:
            return str(refusal)
        return ""

    def _promoted_step(self) -> dict[str, Any]:
        told = learning.promote(self.people, self._made())
        return {**told, "page": self._page("version_detail", told["version"])}

    def _served_step(self) -> dict[str, Any]:
        return self._next_is_by(self._made())

    def _rolled_back_step(self) -> dict[str, Any]:
        told = learning.roll_back(self.people)
        assert self._before is not None
        if told["version"] != self._before.version:
            raise NotAsExpected(f"{told['version']} serves after the rollback, not {self._before.version}.")
        return {**told, "next": self._next_is_by(self._before)}

    def _next_is_by(self, version: ModelVersion) -> dict[str, Any]:
        """One more consultation, all of whose turns carry the identity of this version."""
        self.many += 1
        case = consulting.practice_cases(self.people, self.many)[-1]
        held = consulting.hold_all(self.address, self.people, [case])[0]
        said = consulting.policies_of(held)
        if not learning.speaks(held, version, said):
            raise NotAsExpected(f"The next consultation was not held by {version.version} alone.")
        return {"version": version.version, "turns": len(said), "page": self._page("consultation", held.pk)}

    def _made(self) -> ModelVersion:
        assert self._run is not None
        assert self._run.version is not None
        return self._run.version
