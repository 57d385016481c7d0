"""The same policy in several worlds: paired gaps, flags beyond chance, outages."""

import pytest

from agents.types import Source
from agents.world.virtual import open_case
from agents.world.virtual_world import VirtualWorld
from training.evaluation.cases import case_set
from training.evaluation.cross_world import (
    Evaluated,
    compare,
    evaluate,
    language_world,
    record_world,
    replay_of,
    virtual_world,
)
from training.evaluation.end_to_end import CaseResult
from training.evaluation.policies import RandomPlayer
from training.evaluation.run import Settings


def results(correct, *, turns=5, error=None):
    return [
        CaseResult(str(n), "virtual", "FINISH", correct=bool(c), f1=0.5, turns=turns, cost=100.0, error=error)
        for n, c in enumerate(correct)
    ]


def world(name, rows):
    return Evaluated(name, {"backend": name, "version": "v", "seed": 0}, rows)


def test_a_habit_of_one_world_is_flagged():
    there, here = [n % 5 != 0 for n in range(60)], [n % 2 == 0 for n in range(60)]
    table = compare([world("virtual", results(there)), world("language", results(here, turns=6))])
    reference, language = table.rows
    assert (table.n, table.flagged, reference.gaps) == (60, True, ())
    assert (reference.numbers["accuracy"].value, language.numbers["accuracy"].value) == (0.8, 0.5)
    assert set(language.flagged) == {"accuracy", "turns"}
    gap = next(gap for gap in language.gaps if gap.measure == "accuracy").comparison
    assert gap.difference == pytest.approx(-0.3)
    assert gap.low <= gap.difference <= gap.high < 0
    assert table.as_dict()["worlds"][1]["identity"] == {"backend": "language", "version": "v", "seed": 0}


def test_equal_worlds_are_not():
    same = [n % 3 == 0 for n in range(30)]
    table = compare([world("virtual", results(same)), world("record", results(same[::-1][::-1]))])
    assert not table.flagged
    assert table.rows[1].gaps[0].comparison.ties == 30


def test_only_cases_with_an_outcome_everywhere_are_compared():
    failed = [*results([1] * 10)[:6], *results([1] * 10, error="away")[6:]]
    table = compare([world("virtual", results([0] * 10)), world("language", failed)])
    assert (table.n, table.rows[1].asked, table.rows[1].errors) == (6, 10, 4)
    with pytest.raises(ValueError, match="no case"):
        compare([world("virtual", results([0])), world("language", results([1], error="away"))])
    with pytest.raises(ValueError, match="needs worlds"):
        compare([])


def test_replay_holds_what_was_ordered_and_nothing_else():
    case = case_set("virtual:test", limit=1)[0]
    record = replay_of(open_case(case.id))
    assert len(record.results) >= 8
    assert record.answer == case.answer
    opened = record_world(case)
    assert opened.identity["backend"] == "record"


async def test_the_same_answer_in_replay_and_clinic():
    case = case_set("virtual:test", limit=1)[0]
    done = replay_of(open_case(case.id)).results[0]
    replayed = await record_world(case).examine(done.examination)
    asked = await virtual_world(case).examine(done.examination)
    assert replayed[0].text == asked[0].text
    assert replayed[0].source is Source.SIMULATED


def test_each_case_gets_its_own_language_world():
    class Engine:
        temperature, max_tokens, version, model = 1.0, 64, "w1", "m"

    case = case_set("virtual:test", limit=1)[0]
    opens = language_world(Engine(), seed=3)
    one, other = opens(case), opens(case)
    assert one is not other
    assert (one.identity["backend"], one.identity["version"], one.identity["seed"]) == ("language", "w1", 3)


async def test_a_policy_is_played_in_each_world_and_goes_on(tmp_path):
    cases = case_set("virtual:test", limit=2)
    worlds = {"virtual": virtual_world, "twin": lambda case: VirtualWorld(case.id)}
    player = RandomPlayer(0, count=2)
    seen = []
    table = await evaluate(
        cases,
        player,
        worlds,
        settings=Settings(against_oracle=False),
        folder=tmp_path,
        on_progress=lambda *news: seen.append(news),
    )
    assert (table.n, table.flagged) == (2, False)
    assert len(list(tmp_path.glob("*/episodes.jsonl"))) == 2
    assert seen[-1][2].endswith("twin world")
    again = await evaluate(cases, player, worlds, settings=Settings(against_oracle=False), folder=tmp_path)
    assert again == table
