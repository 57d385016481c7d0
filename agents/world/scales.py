"""How a measured value is distributed: its scale, its healthy spread, the probability of a reported number."""

from __future__ import annotations

from math import erfc, exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.catalogue import Analyte

Array = NDArray[np.float64]

QUARTILE = 0.6744897501960817
"""Standard normal quantile of 0.75."""
SPREAD = 1.959963984540054
"""Standard normal quantile of 0.975: a reference interval leaves out 5 % of the healthy."""
ONE_SIDED = 1.6448536269514722
DEFICIT_TOP = 101.0
"""A saturation x is modelled by log(101 - x), so that it never exceeds 100."""

_erfc = np.frompyfunc(erfc, 1, 1)


def forward(analyte: Analyte, value: float) -> float:
    """The value on the analyte's own scale."""
    if analyte.scale == "log":
        return log(value)
    return log(DEFICIT_TOP - value) if analyte.scale == "deficit" else value


def backward(analyte: Analyte, scaled: float) -> float:
    """Inverse of `forward`."""
    if analyte.scale == "log":
        return exp(min(scaled, 30.0))
    return DEFICIT_TOP - exp(min(scaled, log(DEFICIT_TOP))) if analyte.scale == "deficit" else scaled


def resolution(analyte: Analyte) -> float:
    """The smallest step in which the value is reported."""
    return float(10.0**-analyte.decimals)


def report(analyte: Analyte, scaled: float) -> float:
    """The number that the laboratory prints: rounded, at least one step on a log scale, at most 100 %."""
    value = round(backward(analyte, scaled), analyte.decimals)
    if analyte.scale == "log":
        return float(max(value, resolution(analyte)))
    return float(min(value, 100.0)) if analyte.scale == "deficit" else float(value)


def cell(analyte: Analyte, value: float) -> tuple[float, float]:
    """The interval (low, high) on the analyte's scale of all that is reported as `value`."""
    half = resolution(analyte) / 2
    if analyte.scale == "log":
        low = -inf if value <= 2 * half else log(value - half)
        return low, log(value + half)
    if analyte.scale == "deficit":
        low = -inf if value >= 100 else log(DEFICIT_TOP - value - half)
        return low, log(DEFICIT_TOP - value + half)
    return value - half, value + half


def log_cell(analyte: Analyte, value: float, mean: Array, sd: Array) -> Array:
    """log P(reported value) under normal(mean, sd) on the analyte's scale; arrays broadcast together.

    Simpson's rule where the cell is narrow, the error function where it is not.
    """
    low, high = cell(analyte, value)
    if high - low > 0.5 * float(np.min(sd)):
        return _log_between((low - mean) / sd, (high - mean) / sd)
    edges = [_log_density((x - mean) / sd) for x in (low, (low + high) / 2, high)]
    top = np.maximum(np.maximum(edges[0], edges[1]), edges[2])
    total = (np.exp(edges[0] - top) + 4 * np.exp(edges[1] - top) + np.exp(edges[2] - top)) / 6
    return top + np.log(total) + np.log((high - low) / sd)


def _log_density(z: Array) -> Array:
    return -0.5 * z * z - 0.5 * log(2 * np.pi)


def _log_between(a: Array, b: Array) -> Array:
    """log(Phi(b) - Phi(a)); both tails are taken on the side where nothing cancels."""
    flip = a + b < 0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    mass = 0.5 * (np.asarray(_erfc(low / sqrt(2)), float) - np.asarray(_erfc(high / sqrt(2)), float))
    return np.log(np.maximum(mass, 1e-300))


def healthy(analyte: Analyte, age: float, sex: str) -> tuple[float, float]:
    """Mean and standard deviation on the analyte's scale in a healthy person of this age and sex."""
    low, high = analyte.interval(age, sex)
    drift = age_drift(analyte, age)
    if analyte.scale == "deficit":
        centre = forward(analyte, analyte.centre if analyte.centre is not None else (low + high) / 2)
        return centre + drift, (forward(analyte, low) - centre) / ONE_SIDED
    if analyte.scale == "log" and analyte.centre is not None:
        return log(analyte.centre) + drift, (log(high) - log(analyte.centre)) / ONE_SIDED
    a, b = forward(analyte, low), forward(analyte, high)
    middle = analyte.centre if analyte.centre is not None else (a + b) / 2
    return middle + drift, (b - a) / (2 * SPREAD)


def age_drift(analyte: Analyte, age: float) -> float:
    """The change with age from 50, on the analyte's scale."""
    if not analyte.age_step:
        return 0.0
    decades = min(max((age - 50) / 10, -2.0), 4.0)
    return decades * (analyte.age_step if analyte.scale == "linear" else log(analyte.age_step))


def step(analyte: Analyte) -> float:
    """The change per level of the analyte's latent, on its scale."""
    if analyte.latent is None:
        return 0.0
    return analyte.step if analyte.scale == "linear" else log(analyte.step)


def derive(rule: str, parts: list[float], age: float, sex: str, jitter: float) -> float:
    """A computed value; `parts` in the order of the catalogue, `jitter` in 0..1 for what no disease moves."""
    if rule == "hematocrit":
        return 2.94 * parts[0]
    if rule == "anion_gap":
        return parts[0] - parts[1] - parts[2]
    if rule == "egfr":
        return _ckd_epi_2021(parts[0], age, sex)
    mono = 4.0 + 5.0 * jitter
    baso = 0.3 + 0.6 * jitter
    if rule == "monocytes":
        return mono
    if rule == "basophils":
        return baso
    ratio, eosinophils = parts
    # Rounded first, so that the five printed shares sum to 100.
    rest = 100.0 - eosinophils - round(mono, 1) - round(baso, 1)
    neutrophils = round(rest * ratio / (1 + ratio), 1)
    return neutrophils if rule == "neutrophils" else rest - neutrophils


def _ckd_epi_2021(creatinine: float, age: float, sex: str) -> float:
    """Race-free CKD-EPI 2021 creatinine equation, mL/min/1.73 m2; below 18 years it is an extrapolation."""
    female = sex.startswith("f")
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    value = 142.0 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age
    return float(value * 1.012 if female else value)
