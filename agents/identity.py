"""Which weights a server really runs: fixed probes, and the log-probs it gives to answers that are known beforehand.

The wrong policy served in silence is the recurring fault of systems that learn. A trainer answers PROBES greedily
when it ends and keeps token ids and log-probs (`Fingerprint`); a server is then asked for the log-probs of the same
tokens. Nothing is sampled, so no near tie can flip an answer: two readings of the same weights differ only by their
arithmetic, by about 0.02 nats per token in bfloat16, those of other weights by 0.3 and more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from agents.probe_client import ProbeClient

PROBES = (
    "A 62-year-old man has had crushing chest pain for two hours and is sweating. The next examination is",
    "Cough and fever for three days, temperature 39.1. Most likely diagnosis:",
    "examine: D-dimer | sudden breathlessness after a long flight |",
    "A young woman with pain in the right lower abdomen. Before anything else ask",
    "Troponin 2.4 ng/L (normal), ECG without changes. The diagnosis is",
    "diagnose: Pneumonia |",
    "Thunderclap headache, neck stiff. What must not be missed:",
    "Potassium 6.8 mmol/L, creatinine 540. The patient",
)
"""Raw prompts, tokenised without special tokens; changed only together with KIND."""
ANSWER_TOKENS = 16
KIND = "greedy-1"
TOLERANCE = 0.15
"""Mean |difference| of log-probs, nats per token; between arithmetic (0.05 at most) and other weights (0.28 and up)."""
RESOLUTION = 0.02
"""Two fingerprints nearer than this cannot be told apart by probing; the digests of the files then have to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One probe: prompt ids (P,), the greedy answer's ids (T,), and its log-probs (T,) in nats."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    logprobs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.answer) != len(self.logprobs) or not (self.prompt and self.answer):
            raise ValueError("a probe has a prompt, and one log-prob for each token of its answer")
        if not all(map(isfinite, self.logprobs)):
            raise ValueError("a log-prob is a finite number")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one set of weights says to all probes."""

    rows: tuple[Row, ...]

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Fingerprint:
        """From a run folder's manifest; ValueError where it is none, or of another kind."""
        if told.get("kind") != KIND or not told.get("rows"):
            raise ValueError(f"no fingerprint of the kind {KIND}")
        rows = (Row(tuple(r["prompt"]), tuple(r["answer"]), tuple(r["logprobs"])) for r in told["rows"])
        return cls(tuple(rows))

    def as_dict(self) -> dict[str, Any]:
        rows = [
            {"prompt": list(r.prompt), "answer": list(r.answer), "logprobs": [round(p, 5) for p in r.logprobs]}
            for r in self.rows
        ]
        return {"kind": KIND, "rows": rows}

    @property
    def name(self) -> str:
        """A short name, kept on every turn."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def read_as(self, logprobs: Sequence[Sequence[float]]) -> Fingerprint:
        """The same prompts and answers with other log-probs, one sequence per probe."""
        rows = zip(self.rows, logprobs, strict=True)
        return Fingerprint(tuple(Row(row.prompt, row.answer, tuple(read)) for row, read in rows))


def distance(one: Fingerprint, other: Fingerprint) -> float:
    """Mean |difference| of log-probs over all tokens, nats; ValueError unless both are about the same tokens."""
    if [(r.prompt, r.answer) for r in one.rows] != [(r.prompt, r.answer) for r in other.rows]:
        raise ValueError("the fingerprints are about different tokens")
    pairs = [
        abs(a - b)
        for x, y in zip(one.rows, other.rows, strict=True)
        for a, b in zip(x.logprobs, y.logprobs, strict=True)
    ]
    return sum(pairs) / len(pairs)


async def read(client: ProbeClient, known: Fingerprint) -> Fingerprint:
    """What the server's weights say to the known answers. Raises PolicyError."""
    return known.read_as([await client.logprobs_of(row.prompt, row.answer) for row in known.rows])


async def take(client: ProbeClient) -> Fingerprint:
    """The fingerprint of weights that no trainer fingerprinted, from the server itself. Raises PolicyError."""
    rows = []
    for probe in PROBES:
        prompt, answer = await client.greedy(probe, ANSWER_TOKENS)
        rows.append(Row(tuple(prompt), tuple(answer), await client.logprobs_of(prompt, answer)))
    return Fingerprint(tuple(rows))
