"""Arithmetic that holds between the values of one blood sample, and (looser) between samples of the same hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log10

from agents.world import scales
from agents.world.plausibility.verdict import Code, Complaint, note

State = Mapping[str, float]
"""Values by catalogue id in the catalogue's unit; "age" in years and "sex" (1 female, 0 male) beside them."""
DIFFERENTIAL = ("neutrophils_pct", "lymphocytes_pct", "monocytes_pct", "eosinophils_pct", "basophils_pct")


@dataclass(frozen=True, slots=True)
class Rule:
    """`needs` must all be there; `holds` says whether they agree. `across`: also between different results.

    `refuses` is False where the virtual clinic, or a true laboratory, may break it for a good reason.
    """

    needs: tuple[str, ...]
    holds: Callable[[State], bool]
    sentence: str
    across: bool = False
    refuses: bool = True


def complaints(now: State, before: State) -> Iterator[Complaint]:
    """Rules that the values of `now` break, by themselves or (those that say so) together with `before`."""
    together = {**before, **now}
    for rule in RULES:
        own = all(name in now for name in rule.needs)
        mixed = rule.across and any(name in now for name in rule.needs) and all(n in together for n in rule.needs)
        if (own or mixed) and not rule.holds(together):
            yield Complaint(Code.ARITHMETIC, rule.sentence) if rule.refuses else note(Code.ARITHMETIC, rule.sentence)


def near(value: float, expected: float, *, share: float = 0.0, least: float = 0.0) -> bool:
    """Whether it is within a share of the expected value, or within `least`."""
    return abs(value - expected) <= max(share * abs(expected), least)


def bicarbonate_of(ph: float, paco2: float) -> float:
    """Bicarbonate in mmol/L by Henderson-Hasselbalch, pK 6.1, CO2 solubility 0.0307 mmol/L/mmHg."""
    return float(0.0307 * paco2 * 10 ** (ph - 6.1))


def ph_of(bicarbonate: float, paco2: float) -> float:
    """The inverse of `bicarbonate_of` for pH."""
    return 6.1 + log10(bicarbonate / (0.0307 * paco2))


def _gap(s: State) -> bool:
    """With or without potassium, as laboratories differ."""
    gap = s["sodium"] - s["chloride"] - s["bicarbonate"]
    return near(s["anion_gap"], gap, least=2) or near(s["anion_gap"], gap + s.get("potassium", 4.2), least=2)


def _egfr(s: State) -> bool:
    """CKD-EPI 2021, wide enough for its predecessors (2009, MDRD); laboratories cap it at 60, 90 or 120."""
    own = scales.derive("egfr", [s["creatinine"]], s["age"], "female" if s["sex"] else "male", 0.5)
    return near(s["egfr"], own, share=0.3, least=8) or (own > s["egfr"] and s["egfr"] in (60, 90, 120))


RULES: tuple[Rule, ...] = (
    Rule(("anion_gap", "sodium", "chloride", "bicarbonate"), _gap, "The anion gap is not that of its electrolytes."),
    Rule(
        DIFFERENTIAL,
        lambda s: near(sum(s[name] for name in DIFFERENTIAL), 100, least=2.0),
        "The white cell differential does not add up to 100 %.",
    ),
    Rule(
        ("hct", "hb"),
        lambda s: near(s["hct"], 2.94 * s["hb"], share=0.15, least=2),
        "Haematocrit and haemoglobin do not belong to one sample.",
    ),
    Rule(("egfr", "creatinine", "age", "sex"), _egfr, "The estimated GFR is not that of its creatinine."),
    Rule(
        ("systolic_bp", "diastolic_bp"),
        lambda s: s["diastolic_bp"] < s["systolic_bp"],
        "The diastolic pressure is not below the systolic.",
    ),
    Rule(
        ("map", "systolic_bp", "diastolic_bp"),
        lambda s: near(s["map"], (s["systolic_bp"] + 2 * s["diastolic_bp"]) / 3, share=0.1, least=6),
        "The mean arterial pressure is not that of systolic and diastolic.",
    ),
    Rule(
        ("gas_bicarbonate", "ph", "paco2"),
        lambda s: near(s["gas_bicarbonate"], bicarbonate_of(s["ph"], s["paco2"]), share=0.15, least=2.5),
        "pH, pCO2 and bicarbonate of the gas do not satisfy Henderson-Hasselbalch.",
    ),
    Rule(
        ("bicarbonate", "ph", "paco2"),
        lambda s: abs(ph_of(max(s["bicarbonate"], 0.5), s["paco2"]) - s["ph"]) <= 0.15,
        "The bicarbonate of the other sample does not fit pH and pCO2.",
        across=True,
        refuses=False,  # the virtual clinic draws gas and venous bicarbonate apart
    ),
    Rule(
        ("pao2", "paco2"),
        lambda s: s["pao2"] <= 713 - s["paco2"] / 0.8 + 10,
        "The pO2 is above what pure oxygen can give at this pCO2.",
    ),
    Rule(
        ("pao2", "paco2"),
        lambda s: s["pao2"] <= 150 - s["paco2"] / 0.8 + 15,
        "The pO2 is above the alveolar pO2 of room air: only on oxygen.",
        refuses=False,
    ),
    Rule(
        ("albumin", "total_protein"),
        lambda s: s["albumin"] <= s["total_protein"] + 0.2,
        "Albumin exceeds total protein.",
    ),
    Rule(
        ("direct_bilirubin", "bilirubin"),
        lambda s: s["direct_bilirubin"] <= s["bilirubin"] + 0.2,
        "Direct bilirubin exceeds total bilirubin.",
    ),
    Rule(
        ("total_cholesterol", "ldl", "hdl"),
        lambda s: s["ldl"] + s["hdl"] <= 1.1 * s["total_cholesterol"] + 5,
        "LDL and HDL together exceed the total cholesterol.",
        refuses=False,  # the virtual clinic draws the four lipids apart
    ),
)
