"""The fidelity table: every metric of one world with its interval, and several worlds side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from training.evaluation.fidelity import bleu, calibration, consistency, embedding, numeric, similarity
from training.evaluation.fidelity.draws import Drawn, Mode, coverage, of_mode
from training.evaluation.fidelity.embedding import Embed, hashed
from training.evaluation.fidelity.published import TABLE
from training.evaluation.fidelity.resampling import Interval, cases_share_ci, ratio_ci
from training.evaluation.fidelity.similarity import JudgesSimilarity
from training.worlds.rows import Row

Better = Literal["higher", "lower", "as real"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: its interval over patients, what it is a mean over, the same of real results where that exists."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    better: Better
    real: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


METRICS: dict[str, tuple[str, str]] = {
    "similarity": ("step similarity 0-5", "teacher-forced"),
    "consistency": ("consistent chains", "free-running"),
    "plausible": ("pass the monitor", "teacher-forced"),
    "bleu": ("BLEU", "teacher-forced"),
    "normalised_error": ("normalised error", "teacher-forced"),
    "variance": ("normalised variance", "no history"),
    "variance_distance": ("|variance - real|", "no history"),
    "wasserstein": ("1-Wasserstein (sd)", "no history"),
    "diversity": ("intra-diversity", "no history"),
    "diversity_distance": ("|diversity - real|", "no history"),
    "frechet": ("FID", "no history"),
    "total_variation": ("P(result|disease): TV", "no history"),
    "excess_variation": ("TV beyond chance", "no history"),
    "divergence": ("P(result|disease): KL bits", "no history"),
    "abnormal_ece": ("abnormal rate error", "no history"),
    "chain_bits": ("bits of a chain's item", "free-running"),
    "chain_distance": ("|bits - real|", "free-running"),
    "coverage": ("coverage", "all"),
    "seconds": ("seconds a result", "all"),
    "device_seconds": ("device seconds", "all"),
}
"""Key to (words, what the model was told)."""


async def metrics(
    rows: Sequence[Drawn],
    cohort: Mapping[str, Row],
    *,
    judge: JudgesSimilarity | None = None,
    embed: Embed = hashed,
    devices: float = 1,
    seed: int = 0,
) -> tuple[dict[str, Metric], dict[str, Any]]:
    """Every metric of one world's draws by key, and the notes that belong to them (judge, conflicts, complaints).

    `devices` is per request: where eight share one device it is 1/8 (Little's law), and a result costs that share.
    """
    forced, blank = of_mode(rows, Mode.FORCED), of_mode(rows, Mode.BLANK)
    alike = await similarity.measure(forced, judge, seed=seed)
    paired, spread = numeric.collect(forced), numeric.collect(blank)
    texts, patients = embedding.collect(blank, embed=embed)
    text = embedding.measure(texts, patients, seed=seed)
    exact = calibration.measure(blank, seed=seed)
    chain = consistency.chains(rows, cohort, seed=seed)
    passed = consistency.believable(rows, cohort, seed=seed)
    words, words_ci = bleu.bleu(forced, seed=seed)
    error, off = numeric.error(paired, seed=seed), numeric.variance_distance(spread, seed=seed)
    variance, distance = numeric.variance(spread, seed=seed), numeric.distance(spread, seed=seed)
    real = numeric.variance(spread, of_truth=True, seed=seed).value
    pairs, bits = exact.pairs, calibration.surprise(rows, seed=seed)
    found = {
        "similarity": _metric(alike.value, alike.interval, alike.judged, "higher"),
        "consistency": _metric(chain.value, chain.interval, chain.n, "higher"),
        "plausible": _metric(passed.value, passed.interval, passed.n, "higher"),
        "bleu": _metric(words, words_ci, sum(len(row.draws) for row in forced), "higher"),
        "normalised_error": _metric(error.value, error.interval, error.tests, "lower"),
        "variance": _metric(variance.value, variance.interval, variance.tests, "as real", real),
        "variance_distance": _metric(off.value, off.interval, off.tests, "lower"),
        "wasserstein": _metric(distance.value, distance.interval, distance.tests, "lower"),
        "diversity": _metric(text.diversity, text.diversity_ci, text.exams, "as real", text.real),
        "diversity_distance": _metric(text.off, text.off_ci, text.exams, "lower"),
        "frechet": _metric(text.frechet, text.frechet_ci, text.exams, "lower"),
        "total_variation": _metric(exact.variation, exact.variation_ci, pairs, "lower", exact.noise),
        "excess_variation": _metric(exact.excess, exact.excess_ci, pairs, "lower"),
        "divergence": _metric(exact.divergence, exact.divergence_ci, pairs, "lower"),
        "abnormal_ece": _metric(exact.abnormal_ece, exact.abnormal_ci, exact.items, "lower"),
        "chain_bits": _metric(bits.value, bits.interval, bits.chains, "as real", bits.real),
        "chain_distance": _metric(bits.off, bits.off_ci, bits.chains, "lower"),
        **_effort(rows, devices, seed),
    }
    notes = {
        "similarity_judge": alike.judge,
        "unjudged": alike.unjudged,
        "consistency_judge": consistency.JUDGE,
        "embedding": getattr(embed, "__name__", type(embed).__name__),
        "chain_complaints": dict(chain.complaints),
        "monitor_complaints": dict(passed.complaints),
        "unit_conflicts": list(spread.conflicts),
        "strange_values": spread.strange,
        "unreadable": exact.unreadable,
    }
    return found, notes


def side_by_side(worlds: Mapping[str, Mapping[str, Metric]]) -> str:
    """Metrics down, worlds across: value [interval]; the real data's own number in the last column."""
    names = list(worlds)
    head = ["metric", "told", *names, "real"]
    body = [_line(key, worlds) for key in METRICS if any(worlds[name][key].value is not None for name in names)]
    widths = [max(len(row[n]) for row in (head, *body)) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *body)
    )


def reported() -> str:
    """The published rows under the names of our metrics, each tagged as reported."""
    names = [name for name in METRICS if name in TABLE[0].as_dict()]
    head = ["reported (other data, judge and embeddings)", *names]
    body = [
        [row.model, *("" if told is None else f"{told:g}" for told in (row.as_dict()[name] for name in names))]
        for row in TABLE
    ]
    widths = [max(len(row[n]) for row in (head, *body)) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *body)
    )


def _line(key: str, worlds: Mapping[str, Mapping[str, Metric]]) -> list[str]:
    cells = [_cell(found[key]) for found in worlds.values()]
    real = next((found[key].real for found in worlds.values() if found[key].real is not None), None)
    name, told = METRICS[key]
    arrow = {"higher": "↑", "lower": "↓", "as real": "="}[next(iter(worlds.values()))[key].better]
    return [f"{name} {arrow}", told, *cells, "" if real is None else f"{real:.3f}"]


def _cell(metric: Metric) -> str:
    if metric.value is None:
        return "not measured"
    told = f"{metric.value:.3f}"
    return told if metric.low is None or metric.high is None else f"{told} [{metric.low:.3f}, {metric.high:.3f}]"


def _metric(value: float | None, interval: Interval, n: int, better: Better, real: float | None = None) -> Metric:
    low, high = interval or (None, None)
    return Metric(value, low, high, n, better, real)


def _effort(rows: Sequence[Drawn], devices: float, seed: int) -> dict[str, Metric]:
    """Coverage, seconds that a result takes, and the same times the devices that it keeps meanwhile."""
    cases = [row.case for row in rows]
    got = [float(len(row.draws)) for row in rows]
    wanted = [float(len(row.draws) + len(row.errors)) for row in rows]
    spent = [row.seconds for row in rows]
    each = sum(spent) / sum(got) if sum(got) else None
    interval = ratio_ci(spent, got, cases, seed=seed) if sum(got) else None
    times = (interval[0] * devices, interval[1] * devices) if interval else None
    n = int(sum(got))
    each_wanted = [
        (row.case, float(n < len(row.draws))) for row in rows for n in range(len(row.draws) + len(row.errors))
    ]
    covered = cases_share_ci([good for _, good in each_wanted], [case for case, _ in each_wanted], seed=seed)
    return {
        "coverage": _metric(coverage(rows), covered, int(sum(wanted)), "higher"),
        "seconds": _metric(each, interval, n, "lower"),
        "device_seconds": _metric(None if each is None else each * devices, times, n, "lower"),
    }
