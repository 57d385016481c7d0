"""Drift: whether who comes, what the agent does, and how far it is right still are as they were."""

from training.drift.watching import Drift, look, watch, watch_all

__all__ = ["Drift", "look", "watch", "watch_all"]
