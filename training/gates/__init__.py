"""Gates: a candidate against what serves on sealed cases, the change record, two signatures, and who may serve."""

from training.gates.clearance import is_cleared, may_promote
from training.gates.executing import execute, recover
from training.gates.records import draft, sign, write_record
from training.gates.starting import TASK, start

__all__ = [
    "TASK",
    "draft",
    "execute",
    "is_cleared",
    "may_promote",
    "recover",
    "sign",
    "start",
    "write_record",
]
