"""Reads and checks the knowledge files; every error names the file and the line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parent
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KnowledgeError(ValueError):
    """A knowledge file is wrong; the message begins with `file:line:`."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path.name}:{line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


def read(path: Path, *, schema: str | None = None) -> Any:
    """The parsed YAML of `path`, checked against `schema/NAME.json`; raises KnowledgeError.

    Shipped files are not checked each time a process starts: the tests and `python -m agents.knowledge` do that, and
    it would be three quarters of the time.
    """
    return parsed(path, schema=None if path.is_relative_to(ROOT) else schema)


def parsed(path: Path, *, schema: str | None = None) -> Any:
    """As `read`, always checked."""
    text = path.read_text(encoding="utf-8")
    try:
        # Both loaders build plain data only; the C one is ten times faster.
        data = yaml.load(text, Loader=_LOADER)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise KnowledgeError(path, line, str(error.problem)) from error
    if schema is not None:
        _check(path, text, data, schema)
    return data


def _check(path: Path, text: str, data: Any, schema: str) -> None:
    validator = Draft202012Validator(json.loads((ROOT / "schema" / f"{schema}.json").read_text(encoding="utf-8")))
    error = next(iter(sorted(validator.iter_errors(data), key=lambda e: list(map(str, e.absolute_path)))), None)
    if error is not None:
        where = list(error.absolute_path)
        raise KnowledgeError(path, line_of(text, where), f"{'.'.join(map(str, where)) or 'file'}: {error.message}")


def line_of(text: str, where: list[Any]) -> int:
    """The 1-based line of the value at path `where` of a YAML text (of its nearest parent if absent)."""
    node = yaml.compose(text, Loader=_LOADER)
    line = 1
    for step in where:
        found = _child(node, step)
        if found is None:
            break
        key, node = found
        line = (key or node).start_mark.line + 1
    return line


def _child(node: Any, step: Any) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def fail(path: Path, where: list[Any], reason: str) -> KnowledgeError:
    """A KnowledgeError for a reference that the schema cannot check, at the line of `where`."""
    return KnowledgeError(path, line_of(path.read_text(encoding="utf-8"), where), reason)


def digest(root: Path = ROOT) -> str:
    """Twelve hex digits that name this version of the knowledge (all YAML files, names and contents)."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.yaml")):
        total.update(path.relative_to(root).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:12]
