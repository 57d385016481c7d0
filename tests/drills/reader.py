"""What a correct client makes of events, in whatever order, repetition and pieces they come; and a careless one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Key = tuple[int, int]


class Reader:
    """Applies provisional text at its offset, and takes the final text from the `turn` event. As the page does."""

    def __init__(self, events: Iterable[dict[str, Any]] = ()) -> None:
        self.last_seq = 0
        self.provisional: dict[Key, dict[str, str]] = {}
        self.finals: dict[int, str] = {}
        self.ended = False
        for event in events:
            self.read(event)

    def read(self, event: dict[str, Any]) -> None:
        if event["type"] == "token":
            self.token((event["turn"], event["attempt"]), event["data"])
        elif event["type"] == "turn":
            self.finals[event["data"]["number"]] = event["data"]["text"]
        self.ended = event["type"] in ("done", "error")
        self.last_seq = max(self.last_seq, event["seq"])

    def token(self, key: Key, data: dict[str, Any]) -> None:
        fields = self.provisional.setdefault(key, {})
        text, at = fields.get(data["field"], ""), data["at"]
        assert at <= len(text), f"a gap before character {at} of {data['field']} in {key}"
        fields[data["field"]] = text[:at] + data["text"] + text[at + len(data["text"]) :]

    @property
    def since(self) -> int:
        """The last event may have been seen in part."""
        return max(0, self.last_seq - 1)


class CarelessReader(Reader):
    """Ignores numbers and offsets: it appends whatever comes, and always asks for everything again."""

    def token(self, key: Key, data: dict[str, Any]) -> None:
        fields = self.provisional.setdefault(key, {})
        fields[data["field"]] = fields.get(data["field"], "") + data["text"]

    @property
    def since(self) -> int:
        return 0
