"""How much the splits of a cohort have in common: patients, equal rows, nearly equal rows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from training.worlds.rows import Row

SHINGLE = 5
"""Words in a row that count as one piece of text."""
HASHES, BANDS = 64, 16
NEAR = 0.8
"""Jaccard similarity of the pieces from which two rows are near duplicates."""
LISTED = 20
CROWD = 50
"""Rows in one bucket above which only neighbours are compared: the report stays linear in the rows."""
_PRIME = np.uint64(4294967311)
_WORD = re.compile(r"[a-z0-9.]+")


def patients(rows: Sequence[Row]) -> list[str]:
    """Patients who stand in more than one split."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.patient].add(row.split)
    return sorted(patient for patient, found in splits.items() if len(found) > 1)


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Patients in two splits, and near duplicates (MinHash, then exact Jaccard) within and across the splits."""
    pieces = [shingles(row) for row in rows]
    near = [(a, b) for a, b in sorted(_candidates(pieces)) if similarity(pieces[a], pieces[b]) >= NEAR]
    across = [(a, b) for a, b in near if rows[a].split != rows[b].split]
    return {
        "patients_in_two_splits": len(patients(rows)),
        "near_duplicates": len(near),
        "near_duplicates_across_splits": len(across),
        "similarity": NEAR,
        "first": [[rows[a].id, rows[b].id] for a, b in across[:LISTED]],
    }


def shingles(row: Row) -> frozenset[int]:
    """Hashes of every five words in a row of profile and results."""
    text = " ".join([row.profile, *(f"{event.name} {event.result}" for event in row.events)])
    words = _WORD.findall(text.lower())
    last = max(len(words) - SHINGLE + 1, 1)
    return frozenset(crc32(" ".join(words[n : n + SHINGLE]).encode()) for n in range(last))


def similarity(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard similarity, 0..1."""
    return len(one & other) / len(one | other)


def _candidates(pieces: Sequence[frozenset[int]]) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for bucket in _buckets(pieces):
        found.update(combinations(bucket, 2) if len(bucket) <= CROWD else pairwise(bucket))
    return found


def _buckets(pieces: Sequence[frozenset[int]]) -> Iterator[list[int]]:
    """Rows whose signatures agree in a whole band."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(1, 2**31, HASHES, dtype=np.uint64) for _ in range(2))
    signatures = [_signature(one, a, b) for one in pieces]
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for n, signature in enumerate(signatures):
            buckets[signature.reshape(BANDS, -1)[band].tobytes()].append(n)
        yield from (rows for rows in buckets.values() if len(rows) > 1)


def _signature(piece: frozenset[int], a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """MinHash, (HASHES,)."""
    values = np.fromiter(piece, dtype=np.uint64, count=len(piece))
    return ((a[:, None] * values[None, :] + b[:, None]) % _PRIME).min(axis=1)
