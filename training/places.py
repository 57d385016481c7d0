"""Where the training room keeps its files: folders of the home, which rows name by what lies below them."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings


def home() -> Path:
    """ROUNDS_HOME, by default var/ beside the code."""
    return Path(os.environ.get("ROUNDS_HOME") or settings.BASE_DIR / "var").resolve()


def runs() -> Path:
    """Run folders, one of each run's `folder`."""
    return home() / "runs"


def snapshots() -> Path:
    """Frozen feedback, a folder per digest."""
    return home() / "snapshots"


def gates() -> Path:
    """What gates played, one of each gate's `folder`."""
    return home() / "gates"


def adapters() -> Path:
    """Adapters of registered versions, by the version's name."""
    return home() / "adapters"


def weights() -> Path:
    """Weights that servers load; a temporary home borrows the folder of the usual one (ROUNDS_WEIGHTS)."""
    return Path(os.environ.get("ROUNDS_WEIGHTS") or home() / "weights")
