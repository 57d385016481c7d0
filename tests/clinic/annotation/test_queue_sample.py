"""The sample depends on the query, the seed and each candidate alone."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from clinic.queue_query import BadQuery, QueueQuery
from clinic.queue_sample import Candidate, choose, pairs, shares, some


def candidates(count, **fields):
    return [Candidate(UUID(int=n), UUID(int=n), 1, "A", "Dr", **fields) for n in range(1, count + 1)]


def ids(chosen):
    return [one.candidate.id for one in chosen]


def test_all_of_the_wanted_ends_and_a_share_of_the_rest():
    rows = candidates(10, ends=frozenset({"deferred"}))
    rows += [Candidate(UUID(int=n), UUID(int=n), 1, "A", "Dr", group=f"g{n % 2}") for n in range(100, 200)]
    found = choose(rows, QueueQuery(all_of=("deferred",), rest_percent=20, strata=("complaint",)), seed=3)
    assert sum(not one.sampled for one in found) == 10
    assert Counter(one.stratum for one in found if one.sampled) == {"g0": 10, "g1": 10}


def test_the_same_seed_takes_the_same_and_another_seed_others():
    query = QueueQuery(rest_percent=30)
    first = ids(choose(candidates(50), query, 1))
    assert first == ids(choose(reversed(candidates(50)), query, 1))
    assert set(first) != set(ids(choose(candidates(50), query, 2)))
    assert first != sorted(first)


@pytest.mark.parametrize("percent", [0, 1, 7, 20, 33, 99, 100])
def test_shares_add_up_and_no_stratum_gives_more_than_it_has(percent):
    sizes = {"a": 1, "b": 2, "c": 3, "d": 50, "e": 7}
    found = shares(sizes, percent)
    assert sum(found.values()) == (63 * percent + 50) // 100
    assert all(0 <= found[key] <= size for key, size in sizes.items())


def test_small_strata_are_not_rounded_away():
    assert sum(shares(dict.fromkeys(range(10), 2), 20).values()) == 4


def test_some_is_at_least_one_and_none_where_none_is_asked():
    assert len(some(list(range(5)), 1, 0, "gold")) == 1
    assert some(list(range(5)), 0, 0, "gold") == []


def test_pairs_are_one_for_each_case_that_both_have_seen():
    rows = [
        Candidate(UUID(int=1), UUID(int=10), 1, "A", "Dr"),
        Candidate(UUID(int=2), UUID(int=10), 1, "A", "Dr"),
        Candidate(UUID(int=3), UUID(int=10), 2, "B", "Dr", ends=frozenset({"deferred"})),
        Candidate(UUID(int=4), UUID(int=11), 1, "A", "Dr"),
        Candidate(UUID(int=5), UUID(int=12), 3, "C", "Dr"),
    ]
    (found,) = pairs(rows, 1, 2, seed=5)
    assert found.id in (UUID(int=1), UUID(int=2))
    assert found.other == UUID(int=3)
    assert found.ends == {"deferred"}
    (again,) = pairs(rows, 2, 1, seed=5)
    assert (again.id, again.other) == (found.other, found.id)


def test_a_query_is_kept_and_read_again():
    query = QueueQuery.of({"all_of": ["deferred"], "since": "2026-01-02", "rest_percent": 20, "strata": ["policy"]})
    assert QueueQuery.of(query.as_dict()) == query
    assert query.in_words() == [
        "Closed consultations",
        "from 2 January 2026",
        "all where: the agent deferred",
        "20 % of the rest",
        "stratified by policy version",
    ]


@pytest.mark.parametrize(
    "kept",
    [
        {"all_of": ["raw sql"]},
        {"statuses": ["waiting"]},
        {"rest_percent": 101},
        {"since": "yesterday"},
        {"first": 1},
        {"first": 1, "second": 1},
        {"where": "1=1"},
    ],
)
def test_what_the_language_does_not_know_is_refused(kept):
    with pytest.raises(BadQuery):
        QueueQuery.of(kept)
