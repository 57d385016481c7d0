"""BLEU of whole results against the true ones (Papineni et al. 2002), corpus level, one reference each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.resampling import Interval
from training.evaluation.statistics import bootstrap_ci

Array = NDArray[np.float64]
ORDER = 4
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Numbers whole, words, and single marks; letter case counts."""
    return _TOKEN.findall(text)


def counts(reference: str, candidate: str) -> Array:
    """Clipped matches and candidate n-grams of orders 1..4, then both lengths: (10,). Sums over rows are a corpus's."""
    said, wanted = tokens(candidate), tokens(reference)
    found = np.zeros(2 * ORDER + 2)
    for n in range(1, ORDER + 1):
        mine, theirs = _grams(said, n), _grams(wanted, n)
        found[n - 1] = sum(min(count, theirs[gram]) for gram, count in mine.items())
        found[ORDER + n - 1] = max(len(said) - n + 1, 0)
    found[-2:] = len(said), len(wanted)
    return found


def score(total: Array) -> Array:
    """BLEU, 0..100, of summed `counts` (..., 10) -> (...). Unsmoothed: 0 where some order has no match."""
    matched, possible, said, wanted = np.split(total, [ORDER, 2 * ORDER, 2 * ORDER + 1], axis=-1)
    precision = matched / np.maximum(possible, 1)
    with np.errstate(divide="ignore"):
        geometric = np.exp(np.log(precision).mean(axis=-1))
    brevity = np.exp(np.minimum(0.0, 1 - wanted[..., 0] / np.maximum(said[..., 0], 1)))
    return np.asarray(100 * brevity * geometric)


def bleu(rows: Sequence[Drawn], *, seed: int = 0) -> tuple[float | None, Interval]:
    """Corpus BLEU of all draws with its 95 % interval over patients; None without draws."""
    per_case: dict[str, Array] = {}
    for row in rows:
        for said in row.draws:
            per_case[row.case] = per_case.get(row.case, 0.0) + counts(row.truth, said)
    if not per_case:
        return None, None
    table = np.stack(list(per_case.values()))

    def corpus(sample: Array) -> Array:
        return score(sample.sum(axis=-2))[..., None]

    return float(score(table.sum(axis=0))), bootstrap_ci(table, statistic=corpus, seed=seed)


def _grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))
