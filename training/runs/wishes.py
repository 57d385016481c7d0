"""The settings that a run may name: known ones only, of the right kind, so that a misspelled one is not ignored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from clinic.services.errors import Refused
from training.models import TrainerName
from training.runs.sentences import SENTENCES

Kind = tuple[str, Callable[[Any], bool]]
MOST = 10**7


def _whole(least: int) -> Kind:
    def holds(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST

    return f"a whole number from {least}", holds


def _one_of(*names: str) -> Kind:
    return f"one of {', '.join(names)}", lambda value: value in names


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _server(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    address = urlsplit(value)
    return value in ("own", "local") or (address.scheme in ("http", "https") and bool(address.hostname))


COUNT, FROM_0 = _whole(1), _whole(0)
NUMBER: Kind = ("a number from 0", _number)
TEXT: Kind = ("a text", lambda value: isinstance(value, str) and bool(value.strip()))
SERVER: Kind = ("own, local or the address of a server", _server)
LORA = {"method": _one_of("lora", "full"), "rank": COUNT, "alpha": NUMBER, "dtype": _one_of("float32", "bfloat16")}
LEARNING = {"steps": COUNT, "lr": NUMBER, "clip": NUMBER, "warmup": FROM_0, "threads": COUNT, "keep": COUNT}
COMMON = {**LORA, **LEARNING, "schedule": TEXT, "checkpoint_every": COUNT, "artifacts": TEXT, "processes": COUNT}
ROWS = {**COMMON, "batch": COUNT, "micro": COUNT, "max_length": COUNT}
KNOWN: dict[str, dict[str, Kind]] = {
    TrainerName.SFT: ROWS,
    TrainerName.REWARD: ROWS,
    TrainerName.DPO: {**ROWS, "beta": NUMBER},
    TrainerName.KTO: {**ROWS, "beta": NUMBER},
    TrainerName.GRPO: {
        **COMMON, "groups": COUNT, "group": _whole(2), "micro": COUNT, "temperature": NUMBER, "max_tokens": COUNT,
        "context": COUNT, "rollouts": SERVER, "served_name": TEXT, "gap_limit": NUMBER, "patience": COUNT,
        "malformed_limit": NUMBER, "entropy_limit": NUMBER, "cases": COUNT,
    },
    TrainerName.WORLD: {
        **LORA, **LEARNING, "mask": _one_of("results", "events"), "schedule": _one_of("cosine", "constant"),
        "decay": FROM_0, "step_tokens": COUNT, "micro_tokens": COUNT, "max_length": COUNT, "eval_every": COUNT,
        "eval_rows": COUNT, "checkpoint_minutes": NUMBER, "patients": COUNT,
    },
}  # fmt: skip
"""What each trainer reads of its recipe, and what the supervisor itself reads: cases, patients, processes."""
OURS = frozenset({"base", "start", "serve_command", "port", "snapshot", "run", "provenance"})
"""Settings that name files, programs and origins: only the supervisor writes them."""


def checked(config: Mapping[str, Any] | None, trainer: str) -> dict[str, Any]:
    """The table as it is, every name known and every value of its kind. Raises Refused."""
    if config is not None and not isinstance(config, dict):
        raise Refused(SENTENCES["config"])
    known = KNOWN[trainer]
    for name, value in (config or {}).items():
        if name in OURS:
            raise Refused(SENTENCES["own"].format(name=name))
        if name not in known:
            raise Refused(SENTENCES["setting"].format(name=name, known=", ".join(sorted(known))))
        words, holds = known[name]
        if not holds(value):
            raise Refused(SENTENCES["value"].format(name=name, words=words, value=json.dumps(value)))
    return dict(config or {})
