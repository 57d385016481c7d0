"""The rules' scale of similarity, and judges that fail."""

import pytest

from agents.judge import JudgeError
from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.similarity import measure, score

HB = "Value: {0}; Numeric Value: {0}; Units: g/dL; Reference Range: 12.0 - 16.0"


@pytest.mark.parametrize(
    ("drawn", "low", "high"),
    [(13.0, 5, 5), (14.0, 4.5, 5), (11.9, 1.5, 2), (9.0, 1, 2), (17.0, 1, 2)],
)
def test_a_normal_value(drawn, low, high):
    assert low <= score("Haemoglobin", HB.format(13.0), HB.format(drawn)) <= high


def test_opposite_sides_and_missing_values_are_0():
    assert score("Haemoglobin", HB.format(8.0), HB.format(18.0)) == 0
    assert score("Haemoglobin", HB.format(8.0), "not done") == 0
    assert score("Haemoglobin", HB.format(8.0), "8.0 mmHg") == 0


def test_other_units_are_converted():
    assert score("Creatinine", "1.0 mg/dL", "88.4 umol/L") == pytest.approx(5.0)


def test_known_reports():
    normal, abnormal = "No acute cardiopulmonary abnormality.", "Globular cardiac silhouette."
    assert score("Chest X-ray", normal, normal) == 5
    assert score("Chest X-ray", normal, abnormal) < 2
    assert score("Respiratory examination", "No wheeze. Bases clear.", "No wheeze. Bases clear.") == 5


def test_words_count_with_their_negation():
    truth = "Fracture of the third rib."
    assert score("Odd scan", truth, truth) == 5
    assert score("Odd scan", truth, "No fracture of the third rib.") == 0
    assert 0 < score("Odd scan", truth, "Fracture of the fourth rib.") < 5


async def test_mean_over_steps_with_the_judge_named():
    rows = [Drawn(str(n), "d", "Haemoglobin", HB.format(13.0), (HB.format(13.0), "none")) for n in range(4)]
    found = await measure(rows)
    assert (found.value, found.judged, found.unjudged, found.judge) == (2.5, 8, 0, "rules")


async def test_a_failing_judge_scores_nothing():
    class Failing:
        name = "model x"

        async def similarity(self, exam, truth, drawn):
            raise JudgeError("down")

    found = await measure([Drawn("1", "d", "ECG", "a", ("b",))], Failing())
    assert (found.value, found.interval, found.judged, found.unjudged) == (None, None, 0, 1)
