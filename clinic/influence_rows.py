"""The influence of a site's annotators as a page shows it: one row a person, one row a criterion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clinic.influence import Agreement, Majority, Without
from clinic.influence_of import Influence, Mean
from clinic.models import User


@dataclass(frozen=True, slots=True)
class Person:
    """One annotator: agreement with the others, the score without them, and what they would turn over."""

    user: User
    agreement: Agreement
    flagged: bool
    judgements: int
    mean: Mean | None
    flips: int
    flips_uncapped: int
    open: int
    """Rows of feedback that could still be quarantined."""

    @property
    def reason(self) -> str:
        """What the quarantine is proposed for."""
        a = self.agreement
        if a.share is None or a.others is None:
            return ""
        return (
            f"Agrees with the others in {a.agreed} of {a.compared} verdicts ({a.share:.0%}); "
            f"they agree among themselves in {a.others:.0%} (p {a.p:.1g})."
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion: its majority with and without the cap, and without each of those who rated it."""

    text: str
    capped: Majority
    free: Majority
    cells: list[tuple[User, Without, Without]]

    @property
    def differs(self) -> bool:
        return self.capped.met != self.free.met

    @property
    def turned_by(self) -> list[str]:
        return [user.display_name for user, capped, _ in self.cells if capped.flips]


def people_of(found: Influence, open_rows: Mapping[int, int]) -> list[Person]:
    """The least agreeing first."""
    flagged = {row.annotator for row in found.flagged}
    return [_person(found, row, row.annotator in flagged, open_rows) for row in found.agreements]


def table_of(found: Influence) -> list[Line]:
    """Criteria that somebody turns over first, then by their text."""
    free = {(row.criterion, row.annotator): row for row in found.uncapped}
    lines: dict[object, Line] = {}
    for row in found.without:
        beside = free[row.criterion, row.annotator]
        text = found.criteria[row.criterion]  # type: ignore[index]
        line = lines.setdefault(row.criterion, Line(text, row.all, beside.all, []))
        line.cells.append((found.people[row.annotator], row, beside))  # type: ignore[index]
    return sorted(lines.values(), key=lambda line: (not line.differs, not line.turned_by, line.text))


def _person(found: Influence, row: Agreement, flagged: bool, open_rows: Mapping[int, int]) -> Person:
    one: int = row.annotator  # type: ignore[assignment]
    return Person(
        user=found.people[one],
        agreement=row,
        flagged=flagged,
        judgements=found.counts[one],
        mean=found.means.get(one),
        flips=sum(w.flips for w in found.without if w.annotator == one),
        flips_uncapped=sum(w.flips for w in found.uncapped if w.annotator == one),
        open=open_rows.get(one, 0),
    )
