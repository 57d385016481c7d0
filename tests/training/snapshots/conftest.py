"""Every test of snapshots writes its files into a home of its own."""

from tests.training.snapshots.factories import own_home

__all__ = ["own_home"]
