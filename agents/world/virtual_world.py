"""A virtual case behind the interface that environments use for every world."""

from __future__ import annotations

from typing import Any

from agents.types import CaseRecord, Observation
from agents.world.oracle import Belief, Evidence
from agents.world.virtual import BACKEND, Reply, open_case


class VirtualWorld:
    """Answers for one virtual case, and keeps what it said as evidence for the oracle's second opinion."""

    def __init__(self, case: str) -> None:
        self.case = open_case(case)
        self.evidence: dict[str, Evidence] = {fact.id: fact for fact in self.case.opening.evidence}

    @property
    def record(self) -> CaseRecord:
        return self.case.record()

    @property
    def identity(self) -> dict[str, Any]:
        """What an Episode names as its world."""
        return {"backend": BACKEND, "version": self.case.patient.model.known.version, "seed": self.case.patient.seed}

    async def examine(self, request: str) -> list[Observation]:
        """One observation per examination found in the request; "not available" if none is."""
        return [self._keep(reply) for reply in self.case.examine(request)]

    async def ask(self, question: str) -> Observation:
        """The patient's answer, "I don't know" where the question is not understood."""
        return self._keep(self.case.ask(question))

    def belief(self) -> Belief:
        """The exact posterior given everything said so far."""
        return Belief(self.case.patient.frame).add(self.evidence.values())

    def _keep(self, reply: Reply) -> Observation:
        self.evidence.update((fact.id, fact) for fact in reply.evidence)
        return reply.observation
