"""The knowledge's posterior beside the agent's word: shown apart, and silent outside of what it covers."""

import pytest

from clinic.facts import facts_of
from clinic.look_ahead import look_ahead_of
from clinic.models import Finding, SimulatedResult, WorldDraw
from clinic.second_opinion import second_opinion
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db
STATED = {"Gastro-oesophageal reflux disease": 0.7, "Pulmonary embolism": 0.05}


def facts(complaint="Sharp chest pain and breathlessness since this morning", **fields):
    case = make.make_case(complaint=complaint, history={}, **{"age_years": 44.0, "sex": "female", **fields})
    codes = ["chest_pain", "dyspnea", "pleuritic_pain", "leg_swelling_unilateral", "vte_history"]
    rows = [Finding.objects.create(case=case, source="entered", name=c, code=c, state="present") for c in codes]
    return facts_of(make.make_consultation(case=case), rows, [])


def test_both_opinions_stand_side_by_side():
    opinion = second_opinion(facts(), STATED)
    rows = {row.key: row for row in opinion.rows}
    assert rows["pe"].agent == 0.05
    assert rows["pe"].knowledge > 0.5
    assert rows["pe"].apart
    assert any(sentence.startswith("The knowledge puts Pulmonary embolism first") for sentence in opinion.disagreements)


def test_a_danger_that_the_agent_leaves_out_comes_first():
    opinion = second_opinion(facts(), {"Gastro-oesophageal reflux disease": 0.7})
    assert "Pulmonary embolism" in opinion.disagreements[0]
    assert "does not name it" in opinion.disagreements[0]


def test_agreement_is_silent():
    opinion = second_opinion(facts(), {"PE": second_opinion(facts(), {}).rows[0].knowledge})
    assert opinion.disagreements == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"complaint": "My toenail is blue"}, "outside"),
        ({"age_years": None}, "Age and sex"),
        ({"sex": "unknown"}, "Age and sex"),
    ],
)
def test_outside_it_says_so_and_gives_no_number(fields, words):
    opinion = second_opinion(facts(**fields), STATED)
    assert words in opinion.outside
    assert opinion.rows == ()


def test_a_look_ahead_is_simulation_by_name_and_leaves_no_row():
    known = facts()
    ahead = look_ahead_of(known, wanted="D-dimer")
    first, tracks = ahead.candidates[0]
    assert first.exam == "d_dimer"
    assert all(len(moved.after) == first.draws for moved in first.moved)
    assert tracks[0].low <= tracks[0].high
    told = ahead.as_dict()
    assert told["simulated"]
    assert all(candidate["simulated"] and candidate["version"] for candidate in told["candidates"])
    assert not SimulatedResult.objects.exists()
    assert not WorldDraw.objects.exists()
    assert look_ahead_of(known, wanted="D-dimer").as_dict() == told


def test_expected_information_is_weighed_against_price():
    first, _ = look_ahead_of(facts(), wanted="D-dimer").candidates[0]
    assert first.bits_per_100_usd == pytest.approx(first.bits / first.usd * 100)
