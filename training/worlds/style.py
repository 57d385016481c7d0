"""Results as the published records write them: `Value: 16; Numeric Value: 16.0; Units: mEq/L; Reference Range: …`."""

from __future__ import annotations

from collections.abc import Iterable

from agents.types import Value
from agents.world import wording


def measured(value: Value, shown: str) -> str:
    """One value as a line; `shown` is the number as it was reported ("16", "<5")."""
    parts = [f"Value: {shown}", f"Numeric Value: {float(value.value)}"]
    if value.unit not in ("", "1"):
        parts.append(f"Units: {wording.plain_unit(value.unit)}")
    if value.low is not None and value.high is not None:
        parts.append(f"Reference Range: {float(value.low)} - {float(value.high)}")
    return "; ".join(parts)


def panel(lines: Iterable[tuple[str, str]]) -> str:
    """Sub-tests of a panel, one line each: `Name: result`."""
    return "\n".join(f"{name}: {text}" for name, text in lines)
