"""Choices registered by name in their slot; a recipe names one choice per slot.

What a choice of each slot is called with (E episodes, C components, T utterances of the policy):

cases() -> Iterator[EvaluationCase];  rollout(player, case, n) -> list[Episode], awaited
reward(Episode, Context) -> (T,) or None = abstains;  judge(...) -> what agents.judge offers
compose(R (E, C, T), names) -> r (E, T), weights for the log
credit(r (T,), Episode) -> weight per sampled token (N,)
advantage(returns (E,), groups) -> A (E,) or (E, T)
keep(episodes, A) -> mask (E,);  objective() -> settings of the loss
schedule(step, history) -> overrides;  probe(checkpoint, episodes, logs) -> metrics
select(candidates, judge) -> one of the candidates
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

SLOTS = (
    "cases", "rollout", "reward", "judge", "compose", "credit", "advantage", "keep", "objective", "schedule", "probe",
    "select",
)  # fmt: skip
MODULES = (
    *(f"training.methods.{slot}" for slot in SLOTS if slot != "reward"),
    "training.methods.rewards",
    "training.methods.physicians",
    "training.methods.control",
    "training.methods.information",
)
Choice = TypeVar("Choice", bound=Callable[..., Any])
_choices: dict[str, dict[str, Callable[..., Any]]] = {slot: {} for slot in SLOTS}


class UnknownChoice(LookupError):
    """No such slot, or no choice of this name in it; the message lists those that exist."""


def register(slot: str, name: str) -> Callable[[Choice], Choice]:
    """Decorator: this function is the choice `name` of `slot`; ValueError where the name is taken."""

    def keep(choice: Choice) -> Choice:
        taken = _slot(slot).get(name)
        if taken is not None and taken is not choice:
            raise ValueError(f"{slot} has a choice {name!r} already: {taken.__module__}.{taken.__qualname__}")
        _slot(slot)[name] = choice
        return choice

    return keep


def get(slot: str, name: str) -> Callable[..., Any]:
    """The choice of a name; raises UnknownChoice."""
    _load()
    found = _slot(slot).get(name)
    if found is None:
        raise UnknownChoice(f"no {slot} {name!r}; there are {', '.join(names(slot))}")
    return found


def names(slot: str) -> list[str]:
    """The names of all choices of a slot; raises UnknownChoice."""
    _load()
    return sorted(_slot(slot))


def options(slot: str, name: str) -> dict[str, Any]:
    """The keyword-only arguments of a choice that a recipe may set, with their defaults."""
    parameters = inspect.signature(get(slot, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _slot(slot: str) -> dict[str, Callable[..., Any]]:
    if slot not in _choices:
        raise UnknownChoice(f"no slot {slot!r}; there are {', '.join(SLOTS)}")
    return _choices[slot]


@cache
def _load() -> None:
    """Import the modules whose decorators fill the slots."""
    for module in MODULES:
        importlib.import_module(module)
