"""Gates: a candidate against what serves on sealed cases, the change record, two signatures, and who may serve."""

from training.gates.clearance import clearing_gate, is_cleared, may_promote, refuse_starter
from training.gates.executing import execute, recover
from training.gates.records import draft, sign, write_record
from training.gates.starting import TASK, start

__all__ = [
    "TASK",
    "clearing_gate",
    "draft",
    "execute",
    "is_cleared",
    "may_promote",
    "recover",
    "refuse_starter",
    "sign",
    "start",
    "write_record",
]
