"""Texts as vectors, and what is measured on them: diversity within an examination, Frechet distance to the truth."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agents.world.plausibility.reading import read
from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.resampling import Interval, absolute, weighted_ci

Array = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Array]
"""Texts (N,) to unit vectors (N, D)."""
DIMENSIONS = 512
FEWEST = 12
"""Results on each side from which an examination is compared; the published suite took types with over 100."""
REPEATS = 100
_WORD = re.compile(r"[a-z0-9]+")


def hashed(texts: Sequence[str]) -> Array:
    """Signed hashed features of words and pairs of words, unit length (a text without words is 0), (N, DIMENSIONS).

    Weinberger et al. 2009; needs no model and is the same on every machine.
    """
    found = np.zeros((len(texts), DIMENSIONS))
    for row, text in zip(found, texts, strict=True):
        for feature in _features(text):
            place, sign = _place(feature)
            row[place] += sign
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def diversity(vectors: Array, weight: Array | None = None) -> float:
    """1 - mean cosine over pairs of different rows of (N, D) unit vectors; NaN for fewer than two.

    With weights (N,), a row that is resampled is never paired with itself.
    """
    w = np.ones(len(vectors)) if weight is None else weight
    pairs = w.sum() ** 2 - (w**2).sum()
    if pairs <= 0:
        return float("nan")
    total = w @ vectors
    own = (w**2) @ (vectors**2).sum(axis=1)
    return float(1 - (total @ total - own) / pairs)


def frechet(one: Array, other: Array, weight: Array | None = None, other_weight: Array | None = None) -> float:
    """Frechet distance of two normals fitted to (N, D) and (M, D), clamped at 0; covariance with ddof 1.

    |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)). With S1 = A'A and S2 = B'B the last trace is the sum of the singular
    values of A B', so that no square root of a D x D matrix is needed. NaN for fewer than two rows on a side. Few rows
    bias it upwards: compare worlds on the same patients only.
    """
    (m1, a), (m2, b) = _moments(one, weight), _moments(other, other_weight)
    if a is None or b is None:
        return float("nan")
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(((m1 - m2) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * cross))


@dataclass(frozen=True)
class TextTest:
    """One free-text examination: vectors of the true results and of one draw each, with patients' numbers (N,)."""

    exam: str
    truth: Array
    drawn: Array
    cases: NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class TextMeasures:
    """Averages over the examinations with enough results, each with its interval over patients."""

    diversity: float | None
    diversity_ci: Interval
    real: float | None
    off: float | None
    off_ci: Interval
    frechet: float | None
    frechet_ci: Interval
    exams: int


def collect(rows: Sequence[Drawn], *, embed: Embed = hashed, fewest: int = FEWEST) -> tuple[list[TextTest], int]:
    """The free-text examinations, and the number of patients. One draw a result: as many on either side.

    Free text is a result whose truth has no number.
    """
    by_exam: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    cases = {case: n for n, case in enumerate(dict.fromkeys(row.case for row in rows))}
    for row in rows:
        if row.draws and not read(row.exam, row.truth).quantities:
            by_exam[row.exam].append((cases[row.case], row.truth, row.draws[0]))
    found = []
    for exam, told in sorted(by_exam.items()):
        if len(told) >= fewest:
            numbers, truth, drawn = zip(*told, strict=True)
            found.append(TextTest(exam, embed(truth), embed(drawn), np.array(numbers)))
    return found, len(cases)


def measure(tests: Sequence[TextTest], cases: int, *, repeats: int = REPEATS, seed: int = 0) -> TextMeasures:
    """Diversity, its distance from the real one, and the Frechet distance, each averaged over examinations."""
    if not tests:
        return TextMeasures(None, None, None, None, None, None, None, 0)
    drawn, real, far = _at(tests, np.ones(cases))

    def interval(pick: Callable[[tuple[float, float, float]], float]) -> Interval:
        def statistic(weight: Array) -> Array:
            return np.array([pick(_at(tests, row)) for row in weight])

        return weighted_ci(statistic, cases, repeats=repeats, seed=seed)

    return TextMeasures(
        drawn,
        interval(lambda at: at[0]),
        real,
        abs(drawn - real),
        absolute(interval(lambda at: at[0] - at[1])),
        far,
        interval(lambda at: at[2]),
        len(tests),
    )


def _at(tests: Sequence[TextTest], weight: Array) -> tuple[float, float, float]:
    found = []
    for test in tests:
        w = weight[test.cases]
        found.append((diversity(test.drawn, w), diversity(test.truth, w), frechet(test.truth, test.drawn, w, w)))
    usable = np.array([row for row in found if np.isfinite(row).all()]).reshape(-1, 3)
    drawn, real, far = usable.mean(axis=0) if len(usable) else np.full(3, np.nan)
    return float(drawn), float(real), float(far)


def _moments(vectors: Array, weight: Array | None) -> tuple[Array, Array | None]:
    w = np.ones(len(vectors)) if weight is None else weight
    vectors, w = vectors[w > 0], w[w > 0]
    n = w.sum()
    if n < 2:
        return np.zeros(vectors.shape[1]), None
    mean = w @ vectors / n
    return mean, np.sqrt(w / (n - 1))[:, None] * (vectors - mean)


def _features(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    yield from words
    yield from (f"{a} {b}" for a, b in pairwise(words))


@lru_cache(maxsize=65536)
def _place(feature: str) -> tuple[int, float]:
    number = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "big")
    return number // 2 % DIMENSIONS, 1.0 if number % 2 else -1.0
