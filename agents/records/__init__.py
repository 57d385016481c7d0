"""Pure parsers of outside formats: file in, records or rejections with a reason out."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from agents.records.base import Parsed, Rejection, UnreadableFile

FORMATS = (
    "acibench", "agentclinic", "avey", "ddxplus", "diagbench", "eicu", "fhir", "healthbench", "medrbench", "mediq",
    "primock57",
)  # fmt: skip


def read(format_name: str, path: Path) -> Iterator[Parsed]:
    """Every record at `path`, accepted or rejected; UnreadableFile where nothing of it can be read.

    A module offers `parse(lines)` for line formats or `read(path)` for documents, tables and folders.
    """
    if format_name not in FORMATS:
        raise UnreadableFile(f"Unknown format {format_name!r}; known are {', '.join(FORMATS)}.")
    if not path.exists():
        raise UnreadableFile(f"There is no file {path}.")
    module = import_module(f"agents.records.{format_name}")
    if not hasattr(module, "parse"):
        yield from module.read(path)
        return
    if not path.is_file():
        raise UnreadableFile(f"{path} is a folder; {format_name} is read from one file.")
    with path.open("rb") as lines:
        yield from module.parse(lines)


def licence(format_name: str) -> str:
    """What the source's publisher allows, to be kept with every record."""
    return str(getattr(import_module(f"agents.records.{format_name}"), "LICENCE", ""))


__all__ = ["FORMATS", "Parsed", "Rejection", "UnreadableFile", "licence", "read"]
