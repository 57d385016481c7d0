"""SFT, DPO and KTO rows from lessons and preferences, in the shapes that TRL's trainers read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from clinic.models import Choice, Feedback, FeedbackKind
from clinic.training_rows.lessons import Lesson, lessons_of
from clinic.training_rows.spoken import Messages, Speech, Unusable, identity

Row = dict[str, Any]


def sft(row: Feedback, speech: Speech) -> Iterator[Row]:
    """A turn that was right, or the correction in its place."""
    for lesson in lessons_of(row):
        if lesson.corrected:
            yield _about(lesson, speech, completion=_answer(_corrected(lesson, speech)))
        elif lesson.good:
            yield _about(lesson, speech, completion=_answer(speech.said(lesson.turn)))


def dpo(row: Feedback, speech: Speech) -> Iterator[Row]:
    """The correction against what the agent wrote at the same turn; or one whole consultation against another."""
    if row.kind == FeedbackKind.PREFERENCE:
        yield _preferred(row, speech)
    for lesson in lessons_of(row):
        if lesson.corrected:
            yield _about(
                lesson,
                speech,
                chosen=_answer(_corrected(lesson, speech)),
                rejected=_answer(speech.said(lesson.turn)),
            )


def kto(row: Feedback, speech: Speech) -> Iterator[Row]:
    """What the agent wrote, and whether it was right."""
    for lesson in lessons_of(row):
        if lesson.good is not None:
            yield _about(lesson, speech, completion=_answer(speech.said(lesson.turn)), label=lesson.good)


WRITERS: dict[str, Callable[[Feedback, Speech], Iterator[Row]]] = {"sft": sft, "dpo": dpo, "kto": kto}


def _about(lesson: Lesson, speech: Speech, **said: Any) -> Row:
    held = lesson.feedback.consultation
    assert held is not None  # what may be learned from is about a consultation
    row = {"prompt": speech.prompt(held, lesson.turn), **said, **about(lesson.feedback)}
    row |= {"turn": lesson.turn.number, "policy": identity(lesson.turn)}
    return {**row, "reason_from": lesson.reason_from} if lesson.reason_from else row


def about(row: Feedback) -> Row:
    """Where a training row comes from; no name of a person."""
    given = getattr(row, "annotation", None)
    rubric = given.rubric_version_id if given else None
    return {
        "feedback": [str(row.pk)],
        "kind": row.kind,
        "case": row.consultation.case.key if row.consultation else None,
        "consultation": str(row.consultation_id),
        "rubric_version": str(rubric) if rubric else None,
    }


def _corrected(lesson: Lesson, speech: Speech) -> str:
    assert lesson.corrected is not None
    assert lesson.feedback.consultation is not None
    return speech.written(lesson.feedback.consultation, lesson.corrected)


def _answer(text: str) -> Messages:
    return [{"role": "assistant", "content": text}]


def _preferred(row: Feedback, speech: Speech) -> Row:
    """Both consultations from where they part: trainers learn the assistant's messages alone."""
    given = getattr(row, "annotation", None)
    if given is None or given.item.other is None:
        raise Unusable("judged again since")
    choices = {p.dimension: p.choice for p in given.preferences.all()}
    lead = sum({Choice.FIRST: 1, Choice.SECOND: -1}.get(Choice(choice), 0) for choice in choices.values())
    if lead == 0:
        raise Unusable("neither of the two was preferred")
    pair = (given.item.consultation, given.item.other)
    better, worse = pair if lead > 0 else pair[::-1]
    one, other = speech.whole(better), speech.whole(worse)
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    chosen, rejected = one[same:], other[same:]
    if not chosen or not rejected or chosen[0]["role"] != "assistant" or rejected[0]["role"] != "assistant":
        raise Unusable("the two consultations do not part at a turn of the agent")
    return {
        "prompt": one[:same],
        "chosen": chosen,
        "rejected": rejected,
        **about(row),
        "turn": None,
        "dimensions": choices,
        "policy": {"version": better.model_version.version},
        "policy_rejected": {"version": worse.model_version.version},
        "loss_on": "assistant",
    }
