"""Reads what people write about a patient: coded findings with their state, and measurements with their unit."""

from agents.reading.measurements import Measurement, measurements
from agents.reading.notes import Mention, coded, read

__all__ = ["Measurement", "Mention", "coded", "measurements", "read"]
