"""Whose case it is, as a digest, and on which side of the split that person stands for good."""

from __future__ import annotations

import hashlib
import re

from clinic.models import Case
from training.models import Split

VALIDATION_SHARE = 0.1
_VIRTUAL = re.compile(r"(virtual:[a-z]+:\d+)")


def person_of(case: Case) -> str:
    """64 hexadecimal digits, the same for all cases of one person.

    A virtual patient is a number of a split, whatever the complaint; a record that does not say whose it is stands
    for a person of its own. A real patient's own key is random, so that the digest tells nothing of the person.
    """
    return hashlib.sha256(f"person:{_name(case)}".encode()).hexdigest()


def split_of(person: str) -> Split:
    """By the digest alone: who was once kept for validation is never trained on."""
    place = int(person[:15], 16) / 16**15
    return Split.VALIDATION if place < VALIDATION_SHARE else Split.TRAIN


def _name(case: Case) -> str:
    if case.patient_id is not None:
        return f"patient:{case.patient_id}"
    virtual = _VIRTUAL.match(case.key)
    if virtual:
        return virtual[1]
    named = case.extra.get("patient") or case.extra.get("subject_id") or case.extra.get("uniquepid")
    return f"{case.origin}:{named}" if named else case.key
