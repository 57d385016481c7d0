"""Reads a JSON action while it is being written, a few microseconds per token, and says what is already certain."""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.codecs.base import FieldText
from agents.types import Action, ActionKind

_RUN = re.compile(r'[^"\\]+')
_ESCAPES = {"n": " ", "r": " ", "t": " ", "b": " ", "f": " ", '"': '"', "\\": "\\", "/": "/"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LINE = {"target", "reason"}
_ACTIONS = frozenset(str(kind) for kind in ActionKind)


class JsonActionStream:
    """A StreamParser of the structured wire form. It judges nothing: `finish` parses the whole text strictly.

    Readable pieces: action when its word is complete, target and reason as they grow, and the differential as lines
    "Pulmonary embolism, 42 %" ("… (can't miss)" where the group says so).
    """

    def __init__(self, parse: Callable[[str], Action]) -> None:
        self._parse = parse
        self._said: list[str] = []
        self._out: list[FieldText] = []
        self._depth = 0
        self._in_string = self._is_key = False
        self._escape = ""
        self._high = 0
        self._key = ""
        self._word = ""
        self._number = ""
        self._hypotheses = 0

    def feed(self, delta: str) -> list[FieldText]:
        """The readable pieces that `delta` adds, neighbouring ones of a field joined."""
        self._said.append(delta)
        at, size = 0, len(delta)
        while at < size:
            at = self._string(delta, at) if self._in_string else self._structure(delta, at)
        out, self._out = self._out, []
        return out

    def finish(self) -> Action:
        """The action, or MalformedAction."""
        return self._parse("".join(self._said))

    def _string(self, delta: str, at: int) -> int:
        if self._escape:
            return self._escaped(delta, at)
        run = _RUN.match(delta, at)
        if run:
            self._text(run[0])
            return run.end()
        if delta[at] == "\\":
            self._escape = "\\"
        else:
            self._end_string()
        return at + 1

    def _escaped(self, delta: str, at: int) -> int:
        """One more character of an escape, which may have begun in an earlier delta."""
        self._escape += delta[at]
        if self._escape[1] != "u":
            self._text(_ESCAPES.get(self._escape[1], ""))
            self._escape = ""
        elif len(self._escape) == 6:
            self._code_unit()
            self._escape = ""
        return at + 1

    def _code_unit(self) -> None:
        try:
            unit = int(self._escape[2:], 16)
        except ValueError:
            return
        if 0xD800 <= unit < 0xDC00:
            self._lone()
            self._high = unit
        elif 0xDC00 <= unit < 0xE000 and self._high:
            pair = 0x10000 + ((self._high - 0xD800) << 10) + (unit - 0xDC00)
            self._high = 0
            self._text(chr(pair))
        else:
            self._text(chr(unit))

    def _lone(self) -> None:
        """A high surrogate that no low one followed."""
        if self._high:
            self._high = 0
            self._text(" ")

    def _text(self, text: str) -> None:
        self._lone()
        if self._is_key or self._depth == 3 or self._key == "action":
            self._word += text
            if self._depth == 3 and self._key == "dx" and not self._is_key:
                self._say("differential", text)
        elif self._depth == 1 and self._key in _LINE:
            self._say(self._key, text)

    def _end_string(self) -> None:
        self._lone()
        self._in_string = False
        if self._is_key:
            self._key = self._word
        elif self._depth == 1 and self._key == "action" and self._word in _ACTIONS:
            self._say("action", self._word)
        elif self._depth == 3 and self._key == "g" and self._word == "cant_miss":
            self._say("differential", " (can't miss)")

    def _structure(self, delta: str, at: int) -> int:
        char = delta[at]
        if char == '"':
            self._in_string, self._word = True, ""
            self._begin_hypothesis()
        elif char == ":":
            self._is_key = False
        elif char.isdigit():
            self._number += char
        elif char in "{[,}]":
            self._end_number()
            self._depth += (char in "{[") - (char in "}]")
            self._is_key = char == "{" or (char == "," and self._depth in (1, 3))
        return at + 1

    def _begin_hypothesis(self) -> None:
        if self._depth == 3 and self._key == "dx" and not self._is_key:
            if self._hypotheses:
                self._say("differential", "\n")
            self._hypotheses += 1

    def _end_number(self) -> None:
        if self._number and self._depth == 3 and self._key == "p":
            self._say("differential", f", {self._number} %")
        self._number = ""

    def _say(self, field: str, text: str) -> None:
        if not text:
            return
        if text != "\n":
            text = _CONTROL.sub(" ", text)
        if self._out and self._out[-1].field == field:
            self._out[-1] = FieldText(field, self._out[-1].text + text)
        else:
            self._out.append(FieldText(field, text))
