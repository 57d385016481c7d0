"""Gate profiles: which endpoint must improve, which may not get worse and by how much, and what may be not run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from clinic.services.errors import Refused
from training.models import CheckKind

FOLDER = Path(__file__).parent / "profiles"
SETTINGS = frozenset({"kind", "margin", "at_most", "may_be_missing", "cases", "k", "smallest", "turns"})
LIMITED = ("sentinel", "divergence")
"""Compared with a fixed limit, not with the version that serves."""
MOST = 0.95
"""Share of the cases that must have an outcome on both sides: breaking off on the hard ones would help."""
UNPAIRED = (*LIMITED, "subgroups", "identity", "shadow")
"""Not a plain difference of the two versions on the same cases."""


class ProfileError(ValueError):
    """The file is not a gate profile; the message says where."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One check as the profile wants it; `margin` in the measure's own unit, `at_most` a limit."""

    name: str
    kind: str
    margin: float | None = None
    at_most: float | None = None
    may_be_missing: bool = False
    cases: int = 0
    k: int = 0
    smallest: int = 0
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One file; `digest` is the sha256 of its bytes, kept on every gate that it decided."""

    name: str
    version: int
    title: str
    summary: str
    demonstration: bool
    cases: int
    at_least: int
    primary: str
    checks: tuple[Wanted, ...]
    digest: str

    def check(self, name: str) -> Wanted | None:
        return next((wanted for wanted in self.checks if wanted.name == name), None)


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load(name: str) -> Profile:
    """The profile of a name; raises Refused for an unknown one, ProfileError for a file that is none."""
    if name not in names():
        raise Refused(f"There is no gate profile “{name}”; there are {', '.join(names())}.")
    raw = (FOLDER / f"{name}.yaml").read_bytes()
    return _profile(yaml.safe_load(raw), hashlib.sha256(raw).hexdigest(), name)


def is_allowed(profile: Profile) -> bool:
    """A demonstration's profile clears nothing where demonstrations are off, as in production."""
    return not profile.demonstration or settings.DEMO_LOGINS


def allowed() -> list[Profile]:
    """The profiles that a gate may be started with here, the strict ones first."""
    return sorted((p for p in map(load, names()) if is_allowed(p)), key=lambda p: (p.demonstration, p.name))


def _profile(row: Mapping[str, Any], digest: str, name: str) -> Profile:
    if row["name"] != name:
        raise ProfileError(f"{name}.yaml names itself {row['name']!r}")
    if row["at_least"] > row["cases"]:
        raise ProfileError(f"{name}.yaml: at_least is more than cases")
    if row["at_least"] < MOST * row["cases"]:
        raise ProfileError(
            f"{name}.yaml: at_least is below {MOST:.0%} of cases; those without an outcome are no sample"
        )
    if not row["demonstration"] and row["at_least"] < 200:
        raise ProfileError(f"{name}.yaml: a profile needs 200 paired cases at least (decisions.md 23)")
    primary = Wanted(row["primary"], CheckKind.PRIMARY)
    others = tuple(_wanted(key, value, name) for key, value in row["checks"].items())
    if any(other.name == primary.name for other in others):
        raise ProfileError(f"{name}.yaml: the primary endpoint is named twice")
    fields = {key: row[key] for key in ("version", "title", "summary", "demonstration", "cases", "at_least")}
    return Profile(name=name, primary=primary.name, checks=(primary, *others), digest=digest, **fields)


def _wanted(key: str, value: Mapping[str, Any], name: str) -> Wanted:
    where = f"{name}.yaml, {key}"
    if unknown := value.keys() - SETTINGS:
        raise ProfileError(f"{where}: unknown setting {sorted(unknown)[0]!r}")
    wanted = Wanted(name=key, **value)
    if wanted.kind not in (CheckKind.NON_INFERIOR, CheckKind.REQUIRED, CheckKind.INFORMATIVE):
        raise ProfileError(f"{where}: a check is non_inferior, required or informative")
    if wanted.kind == CheckKind.NON_INFERIOR and (key in UNPAIRED or not wanted.margin or wanted.margin < 0):
        raise ProfileError(f"{where}: to be no worse needs a margin above 0, and a measure of paired cases")
    if wanted.kind == CheckKind.REQUIRED and key in LIMITED and wanted.at_most is None:
        raise ProfileError(f"{where}: needs at_most")
    return wanted
