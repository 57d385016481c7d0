"""Published numbers keep their version."""

import pytest

from agents.matching.exams import harmonic
from training.evaluation.published import TABLE, rows


def test_v1_f1_is_the_harmonic_mean_of_the_means():
    for row in rows(version="v1"):
        assert harmonic(row.precision, row.recall) == pytest.approx(row.f1, abs=0.011), row.model


def test_v2_f1_is_another_definition():
    seven = next(row for row in rows(version="v2", centre="MIMIC-IV") if row.model == "DiagAgent-7B")
    assert harmonic(seven.precision, seven.recall) == pytest.approx(46.67, abs=0.01)
    assert (seven.f1, seven.f1_definition, seven.tag) == (43.90, "f1_mean_per_case", "reported v2")


def test_accuracies_of_the_750_cases_are_whole_counts():
    for row in rows(version="v2", centre="MIMIC-IV"):
        cases = row.accuracy * 750 / 100
        assert abs(cases - round(cases)) <= 0.005 * 7.5 + 1e-6, row


def test_no_row_twice():
    assert len({(row.version, row.centre, row.model) for row in TABLE}) == len(TABLE)
