"""The published reward, its oracles, and what is never a zero."""

import pytest

from agents.types import End
from tests.training.episodes import episode
from training.methods.rewards import Context, Unscored, score

PE = Context("Pulmonary embolism", ("CBC", "Chest X-ray", "ECG", "Troponin"))
HALF = ("CBC", "chest film", "brain MRI", "Colonoscopy")
"""Two of four, both ways: F1 0.5."""


def total(made, context=PE):
    return score(made, context)["total"]


def test_right_half_the_examinations_and_finished():
    assert total(episode(*HALF, diagnosis="PE")) == pytest.approx(1.35)


def test_malformed_keeps_only_its_examinations():
    one_of_one = Context("PE", ("CBC", "ECG", "Troponin", "D-dimer"))
    assert total(episode("CBC", end=End.MALFORMED, malformed=1), one_of_one) == pytest.approx(0.5 * 0.4)


def test_out_of_turns_without_a_diagnosis():
    three_of_five = Context("PE", ("CBC", "ECG", "Troponin", "D-dimer", "Lactate"))
    asked = ["CBC", "ECG", "Troponin", "Colonoscopy", "brain MRI"]
    repeats = asked + asked[:7] + ["CBC", "ECG"]
    made = episode(*repeats)
    assert made.agent_turns == 12
    assert total(made, three_of_five) == pytest.approx(0.30)


def test_wrong_and_no_examination_in_common():
    assert total(episode("Colonoscopy", diagnosis="Pneumonia")) == pytest.approx(0.10)


def test_the_most_there_is():
    assert total(episode(*PE.reference, diagnosis="PE")) == pytest.approx(1.60)


def test_components_are_stored_on_the_episode():
    made = episode(*HALF, diagnosis="PE")
    score(made, PE)
    assert made.reward["parts"] == {"accuracy": 1.0, "exam_f1": 0.5, "finished": 1.0}
    assert made.reward["weights"] == {"accuracy": 1.0, "exam_f1": 0.5, "finished": 0.1}


def test_a_late_diagnosis_is_right_but_not_finished_in_time():
    assert total(episode(*["CBC"] * 12, diagnosis="PE"), Context("PE", ("CBC",))) == pytest.approx(1.5)


def test_a_forced_diagnosis_is_not_a_finish():
    made = episode(diagnosis="PE")
    made.forced = True
    assert score(made, Context("PE", ()))["parts"]["finished"] == 0


def test_deferring_is_not_right():
    assert score(episode("CBC", end=End.DEFER), PE)["parts"]["accuracy"] == 0


def test_an_outage_is_no_zero():
    with pytest.raises(Unscored, match="down"):
        score(episode(end=End.ENV_ERROR), PE)
    with pytest.raises(Unscored, match="judge"):
        score(episode(diagnosis="Morbus X"), Context("PE", (), unscored="the judge gave no verdict"))


def test_a_list_of_ten_earns_nothing_for_accuracy():
    ten = ", ".join(["PE", *(f"Disease {n}" for n in range(9))])
    assert score(episode(diagnosis=ten), PE)["parts"]["accuracy"] == 0


def test_repeating_an_examination_never_pays():
    once = total(episode("CBC", diagnosis="PE"))
    assert total(episode("CBC", "FBC", "full blood count", diagnosis="PE")) == once
