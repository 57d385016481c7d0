"""Reference intervals of the published data: `reference_range.json`, a text of sub-tests per examination."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from agents.records import UnreadableFile
from agents.records.base import json_document, text_of

NAME = "reference_range.json"
_SUB = re.compile(r"^Sub Lab Events:\s*(?P<name>[^\n]+)\n?(?P<rest>.*)$", re.S)
_INTERVAL = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)")
_STATED = "Reference Range:"


@dataclass(frozen=True)
class Ranges:
    """(examination, sub-test) to its interval as written."""

    known: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Self:
        """Those of a file, none where there is no file; a blank line separates sub-tests."""
        if not path.is_file():
            return cls()
        exams = json_document(path)
        if not isinstance(exams, dict):
            raise UnreadableFile(f"{path.name} is not an object of texts by examination.")
        blocks = [(exam, block) for exam, text in exams.items() for block in text_of(text).split("\n\n")]
        found = [(exam, _SUB.match(block.strip())) for exam, block in blocks]
        subs = {(exam, sub["name"].strip()): _INTERVAL.search(sub["rest"]) for exam, sub in found if sub}
        return cls({key: f"{interval[1]} - {interval[2]}" for key, interval in subs.items() if interval})

    def added(self, exam: str, text: str) -> str:
        """The result with the interval on each line of a value that states none; other lines are left alone."""
        return "\n".join(self._line(exam, line) for line in text.split("\n")) if self.known else text

    def _line(self, exam: str, line: str) -> str:
        if "Numeric Value:" not in line or _STATED in line:
            return line
        before = line.partition("Value:")[0].strip().removesuffix(":")
        interval = self.known.get((exam, before or exam))
        return f"{line.rstrip().rstrip(';')}; {_STATED} {interval}" if interval else line
