"""The probability of a reported number is that of its rounding cell."""

from math import erf, inf, log, sqrt

import numpy as np
import pytest

from agents.knowledge.catalogue import catalogue
from agents.world import scales

EXAMS = ["crp", "sodium", "spo2", "troponin", "potassium", "tsh"]


def phi(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))


@pytest.mark.parametrize("exam", EXAMS)
def test_cells_sum_to_one(exam: str) -> None:
    analyte = catalogue().exams[exam].analyte
    mean, sd = scales.healthy(analyte, 50, "female")
    step = scales.resolution(analyte)
    centre = scales.backward(analyte, mean)
    spread = {"crp": 60, "troponin": 0.25, "tsh": 60, "spo2": 60}.get(exam, 30)
    low = max(step, centre - spread) if analyte.scale == "log" else centre - spread
    high = min(centre + spread, 100) if analyte.scale == "deficit" else centre + spread
    values = np.round(np.arange(round(low / step), round(high / step) + 1) * step, analyte.decimals)
    total = sum(np.exp(scales.log_cell(analyte, v, np.array([mean]), np.array([sd]))[0]) for v in values)
    assert total == pytest.approx(1, abs=2e-3)


def test_narrow_and_wide_cells_agree_with_the_normal_distribution() -> None:
    analyte = catalogue().exams["sodium"].analyte
    for sd in (0.4, 2.0, 5.0):
        ours = np.exp(scales.log_cell(analyte, 143.0, np.array([140.0]), np.array([sd]))[0])
        assert ours == pytest.approx(phi(3.5 / sd) - phi(2.5 / sd), rel=1e-3)


def test_far_tails_stay_finite() -> None:
    analyte = catalogue().exams["sodium"].analyte
    assert np.isfinite(scales.log_cell(analyte, 99.0, np.array([140.0]), np.array([0.5]))).all()


def test_reports_never_leave_the_possible() -> None:
    exams = catalogue().exams
    assert scales.report(exams["crp"].analyte, -50.0) == 0.1
    assert scales.report(exams["spo2"].analyte, log(0.01)) == 100
    assert scales.cell(exams["spo2"].analyte, 100.0)[0] == -inf


@pytest.mark.parametrize("exam", EXAMS)
def test_scales_invert(exam: str) -> None:
    analyte = catalogue().exams[exam].analyte
    for value in (0.5, 4.0, 90.0):
        assert scales.backward(analyte, scales.forward(analyte, value)) == pytest.approx(value)


def test_egfr_falls_with_creatinine_and_age() -> None:
    young, old, ill = (scales.derive("egfr", [c], a, "female", 0.5) for c, a in ((0.8, 30), (0.8, 80), (3.0, 30)))
    assert young > old > ill
    assert young == pytest.approx(101, abs=3)
