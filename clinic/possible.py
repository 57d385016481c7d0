"""What a measured number can be in a person at all: outside of it the value or its unit is a slip of the pen."""

from __future__ import annotations

from agents.knowledge.catalogue import Examination
from clinic.measures import in_catalogue_unit

# In the catalogue's unit; authors' estimate. Wide on purpose: the most extreme patient must still be enterable.
LIMITS = {
    "temperature": (10.0, 47.0), "heart_rate": (0.0, 400.0), "systolic_bp": (0.0, 400.0), "diastolic_bp": (0.0, 350.0),
    "respiratory_rate": (0.0, 150.0), "bmi": (5.0, 250.0), "peak_flow": (0.0, 300.0), "inr": (0.3, 60.0),
    "hb": (0.3, 28.0), "mcv": (30.0, 200.0), "plt": (0.0, 8000.0), "wbc": (0.0, 2000.0), "sodium": (80.0, 230.0),
    "potassium": (0.5, 16.0), "chloride": (30.0, 200.0), "bicarbonate": (0.0, 80.0), "anion_gap": (-30.0, 90.0),
    "calcium": (1.0, 32.0), "magnesium": (0.0, 50.0), "phosphate": (0.0, 80.0), "glucose": (0.0, 3000.0),
    "urea": (0.0, 500.0), "creatinine": (0.0, 80.0), "egfr": (0.0, 300.0), "uric_acid": (0.0, 120.0),
    "lactate": (0.0, 60.0), "osmolality": (150.0, 700.0), "ketones": (0.0, 60.0), "bilirubin": (0.0, 150.0),
    "albumin": (0.0, 12.0), "total_protein": (0.0, 25.0), "fibrinogen": (0.0, 3000.0), "aptt": (5.0, 600.0),
    "ph": (6.0, 8.2), "paco2": (1.0, 350.0), "pao2": (1.0, 900.0), "hba1c": (1.0, 30.0), "esr": (0.0, 300.0),
    "crp": (0.0, 2000.0), "total_cholesterol": (1.0, 4000.0), "tonometry": (0.0, 150.0),
}  # fmt: skip
FACTOR = 50_000.0
"""Times the upper reference limit: no enzyme, hormone or marker has been reported beyond it."""


def limits(exam: Examination) -> tuple[float, float]:
    """The lowest and highest number that is possible, in the catalogue's unit; the examination is a measured one."""
    assert exam.analyte is not None
    if exam.id in LIMITS:
        return LIMITS[exam.id]
    if exam.analyte.unit == "%":
        return 0.0, 100.0
    return 0.0, FACTOR * max(high for _, high in exam.analyte.ref.values())


def is_possible(exam: Examination, number: float, unit: str) -> bool:
    """True also where the unit is not understood: what cannot be compared is not called impossible."""
    assert exam.analyte is not None
    known = in_catalogue_unit(exam.analyte, number, unit)
    low, high = limits(exam)
    return known is None or low <= known <= high
