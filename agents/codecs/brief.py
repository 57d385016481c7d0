"""The shortest wire form that carries an Action: one line, for policies that are small or trained by many rollouts.

`examine: D-dimer | pleuritic pain | Pulmonary embolism 42 L; Pneumonia 20 L; Myocardial infarction 10 C`: action and
target, reason (may be empty), hypotheses with whole percents and a group (L likely, C can't miss, O other). A third of
the structured form's tokens. No server enforces it: sampling is free, so log-probabilities are the policy's own.

The reader is strict: exactly one line of three parts. Probabilities that sum to more than 1 are scaled to 1, and a
diagnosis named twice counts once, as in the structured form; every other deviation is MalformedAction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from agents import prompts
from agents.codecs.base import FieldText
from agents.codecs.brief_stream import BriefStream
from agents.codecs.presentation import one_line, person, results, sections
from agents.prompts import fill, load, plain, shorten
from agents.types import (
    Action,
    ActionKind,
    Exchange,
    Hypothesis,
    HypothesisGroup,
    Inquiry,
    MalformedAction,
    Message,
    Observation,
)

__all__ = ["BriefCodec", "BriefStream", "FieldText"]

FILES = tuple(f"brief_{part}.txt" for part in ("system", "inquiry", "reply", "repair", "final"))
GROUPS = {"L": HypothesisGroup.LIKELY, "C": HypothesisGroup.CANT_MISS, "O": HypothesisGroup.OTHER}
LETTERS = {group: letter for letter, group in GROUPS.items()}
LENGTHS = {"target": 70, "reason": 60, "diagnosis": 40}
"""Characters that the writer allows."""
HYPOTHESES = 3
INQUIRY_CHARS = 1200
REPLY_CHARS = 400
READER_CHARS = 1000
READER_HYPOTHESES = 10
_HYPOTHESIS = re.compile(r"(.+?) (\d{1,3}) ([LCO])")
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


class BriefCodec:
    """Codec of the one-line action; one instance serves any number of consultations."""

    name = "brief"
    files = FILES
    max_tokens = 160
    """Enough for the longest line the writer writes; use it in Sampling."""

    @property
    def digest(self) -> str:
        return prompts.digest(*self.files)

    def messages(self, inquiry: Inquiry, exchanges: Sequence[Exchange], *, force_final: bool = False) -> list[Message]:
        """System, inquiry, exchanges; a forced last turn adds its sentence to the last user message only."""
        system, _, _, _, final = self.files
        said = [Message("system", load(system)), Message("user", self.presented(inquiry))]
        for exchange, reply in zip(exchanges, self.replies(inquiry, exchanges), strict=True):
            said += [Message("assistant", exchange.said), Message("user", reply)]
        if force_final:
            said[-1] = Message("user", fill(final, message=said[-1].content))
        return said

    def presented(self, inquiry: Inquiry) -> str:
        """The first user message."""
        return fill(self.files[1], presentation=presentation(inquiry))

    def replies(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> Sequence[str]:
        """The user message after each exchange; each may depend on what was said before it, never on what follows."""
        return [exchange.reply for exchange in exchanges]

    def response_format(self, *, force_final: bool = False) -> None:
        """No grammar: what is sampled is what the policy would say."""
        return None

    def reply(self, observations: Sequence[Observation], *, note: str = "") -> str:
        return fill(self.files[2], results=results(observations, note, limit=REPLY_CHARS))

    def repair(self, error: str) -> str:
        return fill(self.files[3], error=shorten(one_line(error), 100))

    def parse(self, text: str) -> Action:
        return _Reader(text).action()

    def encode(self, action: Action) -> str:
        """The line, texts cut to the writer's lengths; ValueError where it cannot carry the action."""
        target = _words(action.target, "target")
        hypotheses = [_written(hypothesis) for hypothesis in action.differential[:HYPOTHESES]]
        if not target or not hypotheses:
            raise ValueError("the wire form needs a target and a differential")
        return f"{action.kind}: {target} | {_words(action.reason, 'reason')} | {'; '.join(hypotheses)}"

    def stream(self) -> BriefStream:
        return BriefStream(self.parse)

    def fit(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> float | None:
        return None

    def opening(self, kind: ActionKind) -> str:
        return f"{kind}:"


def presentation(inquiry: Inquiry) -> str:
    """The patient, the complaint and each part of the history, one line each."""
    lines = [f"{person(inquiry)}. {one_line(inquiry.complaint)}"]
    lines += [f"{label}: {text}" for _, label, text in sections(inquiry)]
    return shorten("\n".join(lines), INQUIRY_CHARS)


def _words(text: str, field: str) -> str:
    """One line without the signs that divide the form, at most as long as the field allows."""
    limit = LENGTHS[field]
    divides = r"[|;]" if field == "diagnosis" else r"\|"
    words = " ".join(re.sub(divides, ",", _UNSTORABLE.sub(" ", plain(text))).split())
    if len(words) > limit:
        cut = words.rfind(" ", 1, limit + 1)
        words = words[: cut if cut > limit // 2 else limit]
    return words.strip(" ,;")


def _written(hypothesis: Hypothesis) -> str:
    name = _words(hypothesis.diagnosis, "diagnosis")
    if hypothesis.probability is None or not name:
        raise ValueError(f"{hypothesis.diagnosis!r} has no name or no probability")
    percent = min(99, max(1, round(100 * hypothesis.probability)))
    return f"{name} {percent} {LETTERS[hypothesis.group]}"


class _Reader:
    """Reads one line; every deviation is one MalformedAction with one sentence."""

    def __init__(self, text: str) -> None:
        self.text = text

    def action(self) -> Action:
        line = self.text.strip()
        if len(line) > READER_CHARS:
            self._fail(f"more than {READER_CHARS} characters")
        if len(line.splitlines()) > 1:
            self._fail("more than one line")
        parts = [" ".join(_UNSTORABLE.sub(" ", part).split()) for part in line.split("|")]
        if len(parts) != 3:
            self._fail("not the three parts ACTION: TARGET | REASON | DIAGNOSES")
        kind, colon, target = parts[0].partition(":")
        if not colon or kind not in list(ActionKind):
            self._fail(f"the line must begin with one of {', '.join(ActionKind)} and a colon")
        target = target.strip(" ,;")
        if not target:
            self._fail("the target is empty")
        if target.partition(":")[0].strip() in list(ActionKind):
            self._fail("two actions in one line")
        return Action(ActionKind(kind), target, parts[1].strip(" ,;"), self._differential(parts[2]))

    def _differential(self, part: str) -> tuple[Hypothesis, ...]:
        rows = [row.strip() for row in part.split(";")]
        if len(rows) > READER_HYPOTHESES:
            self._fail(f"more than {READER_HYPOTHESES} diagnoses")
        first: dict[str, tuple[str, int, HypothesisGroup]] = {}
        for row in rows:
            name, percent, group = self._row(row)
            first.setdefault(name.casefold(), (name, percent, group))
        total = max(100, sum(percent for _, percent, _ in first.values()))
        return tuple(Hypothesis(name, percent / total, group) for name, percent, group in first.values())

    def _row(self, row: str) -> tuple[str, int, HypothesisGroup]:
        found = _HYPOTHESIS.fullmatch(row)
        name = found[1].strip(" ,") if found else ""
        if found is None or not name:
            self._fail("a diagnosis must be its name, its percent and L, C or O")
        if int(found[2]) > 100:
            self._fail("a percent must be 0 to 100")
        return name, int(found[2]), GROUPS[found[3]]

    def _fail(self, reason: str) -> NoReturn:
        raise MalformedAction(reason, text=self.text)
