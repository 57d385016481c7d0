"""The ICD-10-CM items that conditions carry, checked once against a published release."""

from __future__ import annotations

from functools import cache

from agents.knowledge.files import ROOT, read


@cache
def items() -> dict[str, str]:
    """Title by code."""
    return dict(read(ROOT / "icd10.yaml", schema="icd10")["items"])


def is_valid(code: str) -> bool:
    """Whether the code is one of the checked items."""
    return code in items()
