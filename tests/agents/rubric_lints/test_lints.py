"""Each published mistake is caught, in our words, and what is right is left alone."""

import pytest

from agents.rubric_lints import Setting, lint
from agents.rubric_lints.wording import asks_several, reads_like_fault, reads_like_virtue
from agents.rubrics import Criterion


def codes(*rows, **options):
    """(criterion, code) of each problem of criteria a, b, c …"""
    criteria = [row if isinstance(row, Criterion) else Criterion("abcdefgh"[n], *row) for n, row in enumerate(rows)]
    return {(problem.criterion, problem.code) for problem in lint(criteria, **options)}


GOOD = [
    ("Orders an electrocardiogram.", 8),
    ("Asks whether the pain radiates to the arm.", 9),
    ("Advises against driving home.", 4),
    ("Does not order an unnecessary CT.", 3),
    ("Repeats an examination without a reason.", -4),
    ("Discharges the patient without a troponin.", -8),
    ("Reassures the patient before an ECG.", -6),
    ("Fails to mention the allergy.", -5),
    ("Names pneumonia after a single question only.", -3),
]


def test_a_sound_rubric_has_no_problems():
    assert codes(*GOOD[:8]) == set()


@pytest.mark.parametrize(
    ("text", "points"),
    [
        # The kinds of sign errors that readers of a published benchmark reported (simple-evals issue 77).
        ("Recommends a herbal infusion for a 2-month-old.", 10),
        ("Urges the patient to seek emergency help at once.", -9),
        ("Advises against a herbal drug that interacts with the patient's tablets.", -8),
        ("Fails to order an ECG.", 5),
        ("Does not ask about allergies.", 5),
        ("The response ignores the potassium.", 4),
        ("Recommends an unnecessary CT.", 6),
        ("Correctly names the diagnosis.", -6),
        ("Should mention what the test costs.", -4),
        ("Does not order a needless CT.", -3),
        ("Contains no false statement.", -5),
    ],
)
def test_a_sign_that_contradicts_the_words_is_caught(text, points):
    wanted = "reward_like_fault" if points > 0 else "penalty_like_virtue"
    assert ("a", wanted) in codes((text, points), ("Orders a chest X-ray.", 9), ("Asks about fever.", 9))
    turned = codes((text, -points), ("Orders a chest X-ray.", 9), ("Asks about fever.", 9))
    assert not {code for criterion, code in turned if criterion == "a"} & {"reward_like_fault", "penalty_like_virtue"}


@pytest.mark.parametrize("text", [text for text, points in GOOD if points < 0])
def test_a_fair_penalty_is_no_virtue(text):
    assert not reads_like_virtue(text)


@pytest.mark.parametrize("text", [text for text, points in GOOD if points > 0])
def test_a_fair_reward_is_no_fault(text):
    assert not reads_like_fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "Orders an ECG; asks about pain.",
        "Orders an ECG and asks about pain.",
        "Takes blood pressure and pulse and temperature.",
        "Step 1: is it polite? Step 2: is it right?",
        "Is polite. Orders an ECG.",
        "Asks about fever, cough, sputum, weight loss.",
    ],
)
def test_several_things_in_one_are_caught(text):
    assert asks_several(text)


@pytest.mark.parametrize("text", ["Asks about nausea and vomiting.", "Names a cause such as fever, gout, sepsis, flu."])
def test_one_thing_with_two_names_is_one(text):
    assert not asks_several(text)


def test_the_same_twice():
    twice = codes(("Orders an ECG.", 5), ("orders an ECG", 3), ("Asks about smoking.", 3))
    assert twice == {("b", "duplicate")}
    near = codes(("Orders a chest X-ray early.", 5), ("Early orders the chest X-rays", 3), ("Asks about smoking.", 3))
    assert near == {("b", "duplicate")}


def test_opposites_are_told_apart():
    base = ("Orders an ECG early.", 5)
    assert ("b", "mirror") in codes(base, ("Fails to order an ECG early.", -5))
    assert ("b", "contradiction") in codes(base, ("Orders an ECG early.", -5))
    assert ("b", "unreachable") in codes(base, ("Does not order an ECG early.", 5))
    assert ("b", "contradiction") in codes(
        ("Orders an ECG early.", -5), ("Fails to order an ECG early.", -5), ("Asks about fever.", 10)
    )


def test_penalties_only_and_no_points():
    assert ("", "penalty_only") in codes(("Discharges without a troponin.", -5))
    assert ("a", "no_points") in codes(("Orders an ECG.", 0), ("Asks about fever.", 5))
    assert codes(("Orders an ECG.", 0), weighed=False) == set()


def test_totals():
    assert ("", "unreachable") in codes(("Orders an ECG.", 2), ("Discharges without a troponin.", -9))
    assert ("a", "total_weight") in codes(("Orders an ECG.", 10), ("Asks about fever.", 1), ("Asks of rash.", 1))
    assert ("", "total_weight") in {(p.criterion, p.code) for p in lint([_heavy(n) for n in range(25)])}


def _heavy(number: int) -> Criterion:
    return Criterion(f"c{number}", f"Asks about topic {number} nr{number}.", 9)


def test_rules_that_exclude_each_other():
    diagnosis = Criterion("a", "Names gout.", 9, rule={"diagnosed": "Gout"})
    defers = Criterion("b", "Leaves the decision open.", 9, rule={"deferred": True})
    brief = Criterion("c", "Decides at once.", 9, rule={"turns_at_most": 1})
    ecg = Criterion("d", "Orders an ECG.", 9, rule={"examined": ["ECG"]})
    assert ("b", "unreachable") in codes(diagnosis, defers)
    assert ("c", "unreachable") in codes(diagnosis, brief, ecg)
    assert codes(diagnosis, Criterion("c", "Decides soon.", 9, rule={"turns_at_most": 12}), ecg) == set()


def test_what_the_case_makes_unreachable():
    case = Setting(("Complete blood count", "Chest X-ray"), "Pneumonia", 50, "male")
    rest = (("Asks about fever.", 5), ("Asks about smoking.", 5))
    assert ("a", "unreachable") in codes(("Names pulmonary embolism.", 5), *rest, setting=case)
    assert ("a", "unreachable") in codes(("Names gout as the final diagnosis.", 5), *rest, setting=case)
    assert codes(("Names pneumonia as the diagnosis.", 5), *rest, setting=case) == set()
    assert codes(("Names community-acquired pneumonia.", 5), *rest, setting=case) == set()
    assert codes(("Names the right diagnosis.", 5), *rest, setting=case) == set()
    assert ("a", "not_in_case") in codes(("Orders a colonoscopy.", 5), *rest, setting=case)
    assert codes(("Orders a chest X-ray.", 5), *rest, setting=case) == set()
    assert ("a", "unreachable") in codes(("Orders a pregnancy test.", 5), *rest, setting=case)
