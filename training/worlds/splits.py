"""Train, validation and test by patient: every stay of a person is in the same split, whatever else is imported."""

from __future__ import annotations

from hashlib import blake2b

from training.worlds.rows import Split

SHARES: tuple[tuple[Split, float], ...] = (("train", 0.8), ("validation", 0.1), ("test", 0.1))


def split_of(patient: str, seed: int) -> Split:
    """The split of a patient, fixed by the seed."""
    place = int.from_bytes(blake2b(f"{seed}:{patient}".encode(), digest_size=8).digest(), "big") / 2.0**64
    for split, share in SHARES:
        place -= share
        if place < 0:
            return split
    return SHARES[-1][0]
