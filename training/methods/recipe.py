"""Recipes: a YAML file that names one choice per slot, with the settings of each; errors name file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from agents.knowledge.files import line_of
from training.methods.registry import SLOTS, UnknownChoice, get, options

ROOT = Path(__file__).parent.parent / "recipes"
TOP = ("name", "source", "summary", *SLOTS)
SEVERAL = ("reward", "probe")
"""Slots that may hold a list: components are composed in S5, probes do not touch each other."""


class RecipeError(ValueError):
    """A recipe is wrong; the message begins with `file:line:`."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path.name}:{line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


@dataclass(frozen=True)
class Chosen:
    """One choice with its settings."""

    slot: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Any]:
        return partial(get(self.slot, self.name), **self.settings)


@dataclass(frozen=True)
class Recipe:
    """One choice per slot (a list of components in `reward`, of probes in `probe`)."""

    name: str
    summary: str
    source: str
    slots: Mapping[str, tuple[Chosen, ...]]

    def call(self, slot: str, *args: Any) -> Any:
        """Call the choice of a slot that has one; raises UnknownChoice for no such slot."""
        return self.chosen(slot).function(*args)

    def chosen(self, slot: str) -> Chosen:
        if slot not in self.slots:
            raise UnknownChoice(f"no slot {slot!r}; there are {', '.join(SLOTS)}")
        return self.slots[slot][0]

    def rewards(self) -> dict[str, Callable[..., Any]]:
        """The reward components by name, in the order of the recipe."""
        return {chosen.name: chosen.function for chosen in self.slots["reward"]}

    def as_dict(self) -> dict[str, Any]:
        """What a run folder's config.json keeps."""
        told = {s: [{c.name: dict(c.settings)} for c in chosen] for s, chosen in self.slots.items()}
        return {"name": self.name, "summary": self.summary, "source": self.source, **told}


def load(name: str | Path) -> Recipe:
    """The recipe of a name in training/recipes, or of a path; slots it leaves out are those of default.yaml.

    Raises RecipeError, FileNotFoundError.
    """
    path = name if isinstance(name, Path) else ROOT / f"{name}.yaml"
    if not path.exists() and not isinstance(name, Path):
        known = ", ".join(sorted(file.stem for file in ROOT.glob("*.yaml")))
        raise FileNotFoundError(f"no recipe {name!r}; there are {known}")
    default = _read(ROOT / "default.yaml")
    own = _read(path)
    missing = [slot for slot in SLOTS if slot not in {**default.slots, **own.slots}]
    if missing:
        raise RecipeError(path, 1, f"no choice for {', '.join(missing)}")
    return Recipe(own.name, own.summary, own.source, {**default.slots, **own.slots})


def from_dict(told: Mapping[str, Any]) -> Recipe:
    """The recipe that `Recipe.as_dict` told, as config.json of a run folder keeps it; UnknownChoice or ValueError."""
    slots = {}
    for slot in SLOTS:
        rows = [(name, dict(settings)) for row in told[slot] for name, settings in row.items()]
        for name, settings in rows:
            if unknown := set(settings) - set(options(slot, name)):
                raise ValueError(f"{slot} {name} has no setting {', '.join(sorted(unknown))}")
        slots[slot] = tuple(Chosen(slot, name, settings) for name, settings in rows)
    return Recipe(told["name"], told["summary"], told["source"], slots)


def _read(path: Path) -> Recipe:
    text = path.read_text(encoding="utf-8")
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(path, line, str(error.problem)) from error
    if not isinstance(data, dict):
        raise RecipeError(path, 1, "a recipe is a mapping of slots to choices")
    for entry in data:
        if entry not in TOP:
            raise RecipeError(path, line_of(text, [entry]), f"unknown key {entry!r}; there are {', '.join(TOP)}")
    for entry in ("name", "summary"):
        if not isinstance(data.get(entry), str):
            raise RecipeError(path, line_of(text, [entry]), f"{entry} must be a text")
    slots = {slot: _slot(path, text, slot, data[slot]) for slot in SLOTS if slot in data}
    return Recipe(data["name"], data["summary"], str(data.get("source", "")), slots)


def _slot(path: Path, text: str, slot: str, value: Any) -> tuple[Chosen, ...]:
    rows = value if isinstance(value, list) else [value]
    if len(rows) != 1 and slot not in SEVERAL:
        raise RecipeError(path, line_of(text, [slot]), f"{slot} takes exactly one choice")
    if not rows:
        raise RecipeError(path, line_of(text, [slot]), f"{slot} is empty")
    where: list[list[Any]] = [[slot, n] if isinstance(value, list) else [slot] for n in range(len(rows))]
    chosen = tuple(_chosen(path, text, slot, row, at) for row, at in zip(rows, where, strict=True))
    if len({one.name for one in chosen}) != len(chosen):
        raise RecipeError(path, line_of(text, [slot]), f"{slot} names a choice twice")
    return chosen


def _chosen(path: Path, text: str, slot: str, row: Any, at: list[Any]) -> Chosen:
    """A choice is its name, or a mapping of its one name to its settings."""
    line = line_of(text, at)
    if isinstance(row, str):
        name, settings = row, dict[str, Any]()
    elif isinstance(row, dict) and len(row) == 1 and isinstance(next(iter(row.values())), dict | type(None)):
        name, settings = next((key, value or {}) for key, value in row.items())
        line = line_of(text, [*at, name])
    else:
        raise RecipeError(path, line, f"{slot} must be a name, or a name with its settings")
    try:
        allowed = options(slot, name)
    except UnknownChoice as error:
        raise RecipeError(path, line, str(error)) from error
    for key in settings:
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise RecipeError(path, line_of(text, [*at, name, key]), f"{slot} {name} has no setting {key!r} ({known})")
    needed = [key for key, default in allowed.items() if default is inspect.Parameter.empty and key not in settings]
    if needed:
        raise RecipeError(path, line, f"{slot} {name} needs {', '.join(needed)}")
    return Chosen(slot, name, settings)
