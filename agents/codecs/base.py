"""What a codec is: the only place that knows how a policy's actions are written on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.types import Action, ActionKind, Exchange, Inquiry, Message, Observation


@dataclass(frozen=True, slots=True)
class FieldText:
    """A piece of readable text that has just become certain; `field` is action, target, reason or differential."""

    field: str
    text: str


class StreamParser(Protocol):
    """Reads one action while it is being written."""

    def feed(self, delta: str) -> list[FieldText]:
        """The readable pieces that `delta` adds, in order; provisional until `finish`."""

    def finish(self) -> Action:
        """The whole action, or MalformedAction."""


class Codec(Protocol):
    """Between Action and text, both ways, and the prompts that ask for it."""

    name: str

    @property
    def digest(self) -> str:
        """sha256 over every prompt and schema this codec sends; stored as the policy's `prompt`."""

    def messages(self, inquiry: Inquiry, exchanges: Sequence[Exchange], *, force_final: bool = False) -> list[Message]:
        """The prompt of the next turn; with `force_final` it asks for Diagnose or Defer now."""

    def response_format(self, *, force_final: bool = False) -> dict[str, Any] | None:
        """The OpenAI `response_format` that makes the server enforce the shape, or None."""

    def reply(self, observations: Sequence[Observation], *, note: str = "") -> str:
        """The user message that tells the policy what came back; `note` is the clinician's own words."""

    def repair(self, error: str) -> str:
        """The user message that asks for the malformed action again."""

    def parse(self, text: str) -> Action:
        """Exactly one action, or MalformedAction."""

    def encode(self, action: Action) -> str:
        """The wire form; parse(encode(a)) == a up to what the dialect can carry."""

    def stream(self) -> StreamParser: ...

    def fit(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> float | None:
        """How well the best of what is looked up fits the patient so far; None where nothing is looked up."""

    def opening(self, kind: ActionKind) -> str:
        """The first words of every answer of that kind; "" where the form does not begin with it."""
