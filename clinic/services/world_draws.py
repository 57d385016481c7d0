"""Draws of the world model as rows: read before a world is asked, written after, so that a repeat repeats."""

from __future__ import annotations

from agents.world.language_draws import Draw, Try
from agents.world.plausibility import Code, Complaint, Severity
from clinic.models import Case, WorldDraw


class KeptDraws:
    """The draws of one case and version. The world reads and writes memory; `save` writes what is new."""

    def __init__(self, case: Case, version: str) -> None:
        self.case = case
        self._found = {row.digest: draw_of(row) for row in WorldDraw.objects.filter(case=case, version=version)}
        self._fresh: list[Draw] = []

    def get(self, digest: str) -> Draw | None:
        return self._found.get(digest)

    def put(self, draw: Draw) -> None:
        self._found[draw.digest] = draw
        self._fresh.append(draw)

    def written(self, examination: str, seed: int | None) -> str:
        """The text of an accepted draw as the model wrote it; "" if there is none of this seed."""
        mine = (draw for draw in self._found.values() if draw.seed == seed and draw.examination == examination)
        return next((draw.text for draw in mine if draw.accepted), "")

    def save(self) -> None:
        """Two that drew the same at once wrote the same: the first row stays."""
        WorldDraw.objects.bulk_create([row_of(draw, self.case) for draw in self._fresh], ignore_conflicts=True)
        self._fresh = []


def row_of(draw: Draw, case: Case) -> WorldDraw:
    return WorldDraw(
        digest=draw.digest,
        case=case,
        case_kind=case.kind,
        examination=draw.examination,
        text=draw.text,
        accepted=draw.accepted,
        tries=[one.as_dict() for one in draw.tries],
        model=draw.model,
        version=draw.version,
        seed=draw.seed,
        temperature=draw.temperature,
        seconds=draw.seconds,
    )


def draw_of(row: WorldDraw) -> Draw:
    tries = tuple(
        Try(one["seed"], one["text"], tuple(_complaint(complaint) for complaint in one["complaints"]))
        for one in row.tries
    )
    return Draw(
        row.digest, row.examination, row.text, row.accepted, tries, row.model, row.version, row.seed, row.temperature,
        row.seconds,
    )  # fmt: skip


def _complaint(data: dict[str, str]) -> Complaint:
    return Complaint(Code(data["code"]), data["sentence"], Severity(data["severity"]))
