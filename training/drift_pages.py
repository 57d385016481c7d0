"""The page of drift: mixes as bars beside their reference, behaviour week by week as small lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from agents.knowledge.conditions import knowledge
from clinic.models import User
from training import drift
from training.drift.measures import BEHAVIOUR, SHARE, Found, Mean, Share
from training.drift.reading import AGES, Held, age_band
from training.drift.statistics import FEWEST
from training.drift.watching import BEFORE, NOW, OfVersion, judges_at
from training.models import Alarm

WIDTH, HEIGHT, EDGE = 220.0, 44.0, 3.0
MOST_GROUPS = 12
BANDS = [*(name for _, name in AGES), age_band(120), age_band(None)]


@dataclass(frozen=True, slots=True)
class Bar:
    """One group of a mix: its share now and before, in percent of the width."""

    name: str
    now: float
    before: float
    n: int
    m: int


@dataclass(frozen=True, slots=True)
class Line:
    """One measure by week; a gap where a week has nothing to measure. `reference` is the height of the mean before."""

    found: Found
    paths: list[str]
    dots: list[tuple[float, float, str]]
    reference: float | None
    window: float
    """Where the present window begins."""
    low: str
    high: str
    now: str
    before: str

    @property
    def p(self) -> str:
        p = self.found.p
        return "" if p is None else "p < 0.0001" if p < 0.0001 else f"p {p:.4f}"


def whole(user: User) -> dict[str, Any]:
    """Everything of the user's site; the sites of others are not looked at."""
    site = user.site
    if site is None:
        return {"site": None}
    seen = drift.look(site)
    open_alarms = Alarm.objects.visible_to(user).filter(cleared_at=None)
    return {
        "site": site,
        "seen": seen,
        "mixes": [(found, bars(found)) for found in seen.mixes],
        "versions": [(one, lines(one, _weeks(seen))) for one in seen.versions],
        "judges": judges_at(site),
        "alarms": list(open_alarms.filter(kind__startswith="drift.")),
        "other_alarms": open_alarms.exclude(kind__startswith="drift.").count(),
        "fewest": FEWEST,
        "weeks_now": NOW.days // 7,
        "weeks_before": BEFORE.days // 7,
    }


def bars(found: Found) -> list[Bar]:
    """The largest groups first; ages in their order."""
    now, before = found.now_mix or Counter[str](), found.before_mix or Counter[str]()
    names = sorted({*now, *before}, key=lambda name: (-(now.get(name, 0) + before.get(name, 0)), name))
    rows = [
        Bar(_said(name), _percent(now.get(name, 0), found.n), _percent(before.get(name, 0), found.m),
            now.get(name, 0), before.get(name, 0))
        for name in names[:MOST_GROUPS]
    ]  # fmt: skip
    return sorted(rows, key=lambda row: BANDS.index(row.name)) if found.name == "age" else rows


def lines(one: OfVersion, weeks: Sequence[date]) -> list[Line]:
    by_name = {measure.name: measure for measure in BEHAVIOUR}
    return [_line(found, by_name[found.name], one.weeks, weeks) for found in one.found]


def _line(found: Found, measure: Share | Mean, held: dict[date, list[Held]], weeks: Sequence[date]) -> Line:
    values = [(n, measure.value(held.get(week, []))) for n, week in enumerate(weeks)]
    known = [value for _, value in values if value is not None]
    marks = [*known, *(value for value in (found.before, found.now) if value is not None)]
    top = 1.0 if found.kind == SHARE and max(marks, default=0) > 0.5 else max(marks, default=0) * 1.1 or 1.0
    step = (WIDTH - 2 * EDGE) / max(len(weeks) - 1, 1)

    def at(value: float) -> float:
        return round(HEIGHT - EDGE - value / top * (HEIGHT - 2 * EDGE), 1)

    points = {n: (round(EDGE + n * step, 1), at(value)) for n, value in values if value is not None}
    dots = [
        (*points[n], f"week of {weeks[n]:%-d %b}: {_shown(found, value)}") for n, value in values if value is not None
    ]
    return Line(
        found=found,
        paths=_paths(points),
        dots=dots,
        reference=None if found.before is None else at(found.before),
        window=round(max(WIDTH - EDGE - step * NOW.days / 7, 0), 1),
        low=_shown(found, 0.0),
        high=_shown(found, top),
        now=_shown(found, found.now),
        before=_shown(found, found.before),
    )


def _paths(points: dict[int, tuple[float, float]]) -> list[str]:
    """Weeks that follow each other are joined."""
    return [
        f"M{points[a][0]} {points[a][1]}L{points[b][0]} {points[b][1]}"
        for a, b in pairwise(sorted(points))
        if b == a + 1
    ]


def _weeks(seen: drift.Drift) -> list[date]:
    """Every Monday of the whole window, also those on which nobody came."""
    last = seen.until.date()
    last = date.fromordinal(last.toordinal() - last.weekday())
    number = (NOW + BEFORE).days // 7
    return [date.fromordinal(last.toordinal() - 7 * n) for n in range(number, -1, -1)]


def _percent(part: int, of: int) -> float:
    return round(100 * part / of, 1) if of else 0.0


def _said(name: str) -> str:
    group = knowledge().groups.get(name)
    return group.name if group else name


def _shown(found: Found, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0%}" if found.kind == SHARE else f"{value:.2f}"
