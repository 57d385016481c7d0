"""Reads a one-line action while it is being written, and says what is already certain."""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.codecs.base import FieldText
from agents.types import Action, ActionKind

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HELD = re.compile(r"(?: \d{1,3}(?: [LCO]?)?| )$")
_ENDED = re.compile(r" (\d{1,3}) ([LCO])$")


class BriefStream:
    """A StreamParser of the brief form. It judges nothing: `finish` parses the whole text strictly.

    Target and reason are shown as they grow, the differential as lines "Pulmonary embolism, 42 %". What may be a
    percent and a group is held back until it is certain, so the last hypothesis gets its number with the turn.
    """

    def __init__(self, parse: Callable[[str], Action]) -> None:
        self._parse = parse
        self._said: list[str] = []
        self._out: list[FieldText] = []
        self._field = "action"
        self._held = ""
        self._shown = False

    def feed(self, delta: str) -> list[FieldText]:
        """The readable pieces that `delta` adds, neighbouring ones of a field joined."""
        self._said.append(delta)
        for char in delta:
            self._read(char)
        out, self._out = self._out, []
        return out

    def finish(self) -> Action:
        """The action, or MalformedAction."""
        return self._parse("".join(self._said))

    def _read(self, char: str) -> None:
        if self._field == "action":
            self._begin(char)
        elif char == "|":
            self._next_field()
        elif self._field == "differential" and char == ";":
            self._end_hypothesis()
        elif self._shown or self._held or char.strip():  # not the space before a text begins
            self._grow(char)

    def _begin(self, char: str) -> None:
        self._held += char
        if char == ":":
            word = self._held[:-1].strip()
            if word in list(ActionKind):
                self._say(word)
            self._field, self._held = "target", ""
            self._shown = False

    def _next_field(self) -> None:
        self._field = {"target": "reason", "reason": "differential"}.get(self._field, "rest")
        self._held, self._shown = "", False

    def _grow(self, char: str) -> None:
        """Show all but what may still turn out to be an ending (a trailing space, a percent and its group)."""
        if self._field == "rest":
            return
        self._held += _CONTROL.sub(" ", char)
        found = _HELD.search(self._held) if self._field == "differential" else re.search(r"[ ,;]+$", self._held)
        ready = self._held[: found.start()] if found else self._held
        self._held = self._held[len(ready) :]
        self._say(ready)

    def _end_hypothesis(self) -> None:
        found = _ENDED.search(self._held)
        if found:
            self._say(f", {found[1]} %" + (" (can't miss)" if found[2] == "C" else ""))
        else:
            self._say(self._held)
        self._say("\n")
        self._held, self._shown = "", False

    def _say(self, text: str) -> None:
        if not text:
            return
        self._shown = True
        if self._out and self._out[-1].field == self._field:
            self._out[-1] = FieldText(self._field, self._out[-1].text + text)
        else:
            self._out.append(FieldText(self._field, text))
