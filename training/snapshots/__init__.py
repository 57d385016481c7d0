"""Snapshots: what may be learned from, frozen by content, compared, rebuilt, and checked before a run reads it."""

from training.snapshots.comparing import Diff, diff
from training.snapshots.current import check_current, stale
from training.snapshots.files import rows
from training.snapshots.finding import find
from training.snapshots.making import make, rebuild

__all__ = ["Diff", "check_current", "diff", "find", "make", "rebuild", "rows", "stale"]
