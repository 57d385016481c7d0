"""Training runs: asked for by people or schedules, supervised by one worker each, with exactly one outcome."""

from training.runs.asking import clone, start
from training.runs.control import cancel, resume
from training.runs.supervisor import execute

__all__ = ["cancel", "clone", "execute", "resume", "start"]
