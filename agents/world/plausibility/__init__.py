"""The plausibility monitor of simulated results."""

from agents.world.plausibility.monitor import check
from agents.world.plausibility.redraw import Judged, accept
from agents.world.plausibility.verdict import Code, Complaint, Severity, Verdict

__all__ = ["Code", "Complaint", "Judged", "Severity", "Verdict", "accept", "check"]
