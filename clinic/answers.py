"""What an agent's answer says, read from its stored action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def ranked(action: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The differential, the most probable first; without probabilities in the agent's own order."""
    return sorted(action.get("differential") or [], key=lambda entry: -(entry.get("probability") or 0))


def leader(action: Mapping[str, Any]) -> str:
    """The diagnosis that an answer puts first: what it diagnoses, else the most probable of its differential."""
    if action.get("action") == "diagnose":
        return str(action.get("target") or "")
    named = [entry for entry in ranked(action) if entry.get("diagnosis")]
    return str(named[0]["diagnosis"]) if named else ""
