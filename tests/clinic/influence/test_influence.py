"""A planted annotator who flips everything is flagged and, capped, turns no criterion's majority over."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic.influence import (
    CAP,
    Row,
    Said,
    agreements,
    largest_share,
    majorities,
    outliers,
    units_of,
    weights,
    without_each,
)

HONEST = ("ada", "ben", "cleo")
CRITERIA = ("ecg", "names", "repeats")


def rows_of(**counts: int) -> list[Row]:
    return [Row((who, n), who, "ecg") for who, count in counts.items() for n in range(count)]


def totals(rows: list[Row], given: dict) -> dict:
    found: dict = {}
    for row in rows:
        found[row.annotator] = found.get(row.annotator, 0) + given[row.group, row.key]
    return found


def test_the_largest_is_brought_down_to_the_cap_exactly():
    rows = rows_of(ada=3, ben=3, cleo=3, flip=30)
    given = weights(rows)
    # T = 1/3 of (9 + T): 4.5 of 13.5.
    assert totals(rows, given) == {"ada": 3, "ben": 3, "cleo": 3, "flip": Fraction(9, 2)}
    assert largest_share(rows, given) == CAP
    assert largest_share(rows, dict.fromkeys(given, Fraction(1))) == Fraction(30, 39), "without the cap"


def test_three_who_rate_differently_much_weigh_alike_and_so_do_two():
    for counts in ({"ada": 2, "ben": 5, "flip": 40}, {"ada": 2, "flip": 40}):
        rows = rows_of(**counts)
        assert set(totals(rows, weights(rows)).values()) == {2}


def test_where_nobody_has_too_much_every_row_weighs_one():
    assert set(weights(rows_of(ada=4, ben=4, cleo=4, dora=3)).values()) == {1}


def test_groups_are_capped_one_by_one_and_a_key_counts_once():
    rows = [*rows_of(ada=1, ben=1, cleo=1, dora=1), Row("x", "ada", "names")]
    assert weights(rows)["names", "x"] == 1
    with pytest.raises(ValueError, match="twice"):
        weights([*rows, rows[0]])
    with pytest.raises(ValueError, match="cap"):
        weights(rows, cap=Fraction(0))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=9),
    st.fractions(min_value=Fraction(1, 8), max_value=1, max_denominator=12),
)
def test_no_share_is_above_the_cap_and_no_weight_is_lost_needlessly(counts, cap):
    rows = [Row((who, n), who) for who, count in enumerate(counts) for n in range(count)]
    given = weights(rows, cap=cap)
    allowed = max(cap, Fraction(1, len(counts)))
    assert largest_share(rows, given) <= allowed
    assert all(0 < weight <= 1 for weight in given.values())
    if any(weight < 1 for weight in given.values()):
        # Whoever was brought down stands exactly at the cap: a little more would be above it.
        assert largest_share(rows, given) == allowed


def said_by(*, items: int, flips: int) -> list[Said]:
    """Three honest annotators with one error in twenty on `items`, and one who flips everything on `flips`."""
    dice = random.Random(7)
    rows = []
    for criterion in CRITERIA:
        for item in range(max(items, flips)):
            truth = (item + len(criterion)) % 10 < 8  # most items meet it
            who = HONEST if item < items else ()
            rows += [Said(criterion, item, one, truth != (dice.random() < 0.05)) for one in who]
            if item < flips:
                rows.append(Said(criterion, item, "flip", not truth))
    return rows


def test_the_planted_flipper_alone_is_flagged():
    rows = said_by(items=20, flips=60)
    found = agreements(units_of(((r.criterion, r.unit), r.annotator, r.met) for r in rows))
    assert [row.annotator for row in outliers(found)] == ["flip"]
    worst = found[0]
    assert worst.annotator == "flip"
    assert worst.share < 0.1 < 0.85 < worst.others, "the others are compared among themselves"
    honest = said_by(items=20, flips=0)
    assert not outliers(agreements(units_of(((r.criterion, r.unit), r.annotator, r.met) for r in honest)))


def test_few_comparisons_flag_nobody():
    rows = [Said("ecg", item, who, who != "flip") for item in range(7) for who in (*HONEST, "flip")]
    assert not outliers(agreements(units_of(((r.criterion, r.unit), r.annotator, r.met) for r in rows)))


def test_capped_the_flipper_turns_nothing_over_and_uncapped_they_do():
    rows = said_by(items=20, flips=200)
    honest = {c: m.met for c, m in majorities([row for row in rows if row.annotator != "flip"]).items()}
    assert honest == dict.fromkeys(CRITERIA, True)
    capped = {criterion: majority.met for criterion, majority in majorities(rows).items()}
    free = {criterion: majority.met for criterion, majority in majorities(rows, cap=None).items()}
    assert capped == honest
    assert free == dict.fromkeys(CRITERIA, False), "without the cap who rates most decides"


def test_leaving_each_one_out_shows_whose_weight_turns_a_criterion_over():
    rows = said_by(items=20, flips=200)
    free = {(w.criterion, w.annotator): w.flips for w in without_each(rows, cap=None)}
    assert {who for (_, who), flips in free.items() if flips} == {"flip"}
    assert not any(w.flips for w in without_each(rows))
    alone = without_each([Said("ecg", 1, "ada", True)])
    assert alone[0].rest.met is None
    assert not alone[0].flips
