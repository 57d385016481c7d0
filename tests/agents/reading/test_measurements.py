"""Measurements in free text: examination, unit, and nothing that is only a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reading import measurements


@pytest.mark.parametrize(
    ("text", "exam", "value"),
    [
        ("BP 92/60", "systolic_bp", 92),
        ("Blood pressure was 92/60 mmHg", "diastolic_bp", 60),
        ("HR 110", "heart_rate", 110),
        ("Temp 101.3F", "temperature", 38.5),
        ("temperature 38.5 °C", "temperature", 38.5),
        ("SpO2 88% on air", "spo2", 88),
        ("Troponin 40 ng/L", "troponin", 0.04),
        ("Hb 132 g/L", "hb", 13.2),
        ("WBC 12,300/mm3", "wbc", 12.3),
        ("glucose of 12 mmol/L", "glucose", 216.18),
        ("D-dimer: 900 ng/mL", "d_dimer", 0.9),
        ("lactate 4.2", "lactate", 4.2),
        ("potassium level 5.9 mEq/L", "potassium", 5.9),
    ],
)
def test_it_is_read_in_the_catalogue_s_unit(text, exam, value):
    found = {one.exam: one.value for one in measurements(text)}
    assert found[exam] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "Age 65",
        "creatinine 3 hours later",
        "glucose 12",
        "potassium 5 mg",
        "HR 4000",
        "seen on 12/03",
        "troponin",
        "pain 8/10",
    ],
)
def test_what_nobody_can_read_is_left_alone(text):
    assert measurements(text) == ()


@given(st.text(max_size=200))
def test_any_text_is_quoted_word_for_word(text):
    for one in measurements(text):
        assert one.quote.strip() in text
