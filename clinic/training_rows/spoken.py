"""What the agent was told before a turn, and what it wrote there, as its own codec writes it."""

from __future__ import annotations

from typing import Any

from agents.codecs import by_name
from agents.codecs.base import Codec
from agents.types import Action
from clinic.models import Consultation, ModelOutput, Turn
from clinic.services.prompts import told

Messages = list[dict[str, str]]


class Unusable(Exception):
    """This turn cannot be written as a training row; `str()` is why."""


class Speech:
    """Reads each turn's context once; `codec` is the one that the consultation was held in."""

    def __init__(self) -> None:
        self._prompts: dict[int, Messages] = {}

    def codec(self, consultation: Consultation) -> Codec:
        return by_name(consultation.model_version.codec)

    def prompt(self, consultation: Consultation, turn: Turn) -> Messages:
        """Messages up to the turn: what was undone is left out as if it had never been said."""
        if turn.pk not in self._prompts:
            self._prompts[turn.pk] = self._told(consultation, before=turn.number)
        return self._prompts[turn.pk]

    def opening(self, consultation: Consultation) -> Messages:
        """What the agent is told before its first action."""
        return self._told(consultation, before=1)

    def said(self, turn: Turn) -> str:
        """The turn as the model wrote it."""
        written = ModelOutput.objects.filter(turn=turn, complete=True).order_by("-attempt").values_list("text").first()
        if written is None:
            raise Unusable("what the agent wrote is not kept")
        return str(written[0])

    def written(self, consultation: Consultation, action: Action) -> str:
        """An action in the wire form; Unusable where it cannot carry it."""
        try:
            return self.codec(consultation).encode(action)
        except ValueError as error:
            raise Unusable("the correction cannot be written in the policy's form") from error

    def whole(self, consultation: Consultation) -> Messages:
        """Everything said, agent's turns and what came back."""
        return self._told(consultation, before=2**31 - 1)

    def _told(self, consultation: Consultation, *, before: int) -> Messages:
        codec = self.codec(consultation)
        try:
            inquiry, exchanges = told(consultation, codec, before=before)
        except KeyError as error:
            raise Unusable("what the agent wrote is not kept") from error
        return [message.as_dict() for message in codec.messages(inquiry, exchanges)]


def identity(turn: Turn) -> dict[str, Any]:
    """Who spoke, as it was kept on the turn (contracts.md, Policy identity)."""
    return dict(turn.policy or {"version": turn.consultation.model_version.version})
