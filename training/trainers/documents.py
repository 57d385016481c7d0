"""Rows of a world-model data set as token ids with a loss mask, shuffled and grouped for one step.

A document is tokenised whole, exactly as a server tokenises the prompt, and the kind of each token is read from its
character offsets; tokenising piece by piece would differ where a result ends in punctuation (".<" is one token).
`<SEP>` stays text (three or four tokens): a new token would resize the embedding, and an adapter of 10 MB would then
have to carry 28 million embedding weights, or a row that it never trains.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from agents.world.grammar import END, Event, Kind, pieces

Mask = Literal["results", "events"]
Row = dict[str, Any]


class BadDocument(ValueError):
    """A row that cannot be trained on as it is; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """`ids` (T,) and `kept` (T,): whether the token, as something to predict, carries loss."""

    ids: np.ndarray[Any, np.dtype[np.int64]]
    kept: np.ndarray[Any, np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.ids)


def encode(tokenizer: Any, profile: str, events: Sequence[Event], mask: Mask) -> Document:
    """The document's ids and its loss mask.

    "results" keeps the tokens of results and of the separators that end them (the paper's equation; without the
    separator a model would never learn to stop); "events" keeps names and the end of text too (the published code).
    The profile never carries loss.
    """
    parts = pieces(profile, events)
    text = "".join(part for part, _ in parts)
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    starts = np.array([start for start, _ in encoded["offset_mapping"]])
    ends = np.array(list(accumulate(len(part) for part, _ in parts)))
    part_of = np.searchsorted(ends, starts, side="right")  # (T,) the piece in which each token begins
    kept = np.array([_carries_loss(part, kind, mask) for part, kind in parts])[part_of]
    _refuse_straddling(encoded["offset_mapping"], part_of, ends, [kind for _, kind in parts])
    return Document(np.array(encoded["input_ids"], dtype=np.int64), kept)


def _carries_loss(text: str, kind: Kind, mask: Mask) -> bool:
    if mask == "events":
        return kind is not Kind.PROFILE
    # With the names unkept, the end of text would be all the model ever sees follow a separator.
    return kind is Kind.RESULT or (kind is Kind.SEPARATOR and text != END)


def _refuse_straddling(
    offsets: Sequence[tuple[int, int]], part_of: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], kinds: list[Kind]
) -> None:
    """A token may run from a result into its separator, never from a prompt into the result it asks for."""
    for (_, end), part in zip(offsets, part_of, strict=True):
        if end > ends[part] and kinds[part] is not Kind.RESULT:
            raise BadDocument(
                f"A token begins in a {kinds[part]} and ends after it; results must not begin with space."
            )


def shuffled(row: Row, rng: random.Random | None) -> list[Event]:
    """The row's events in the order of their groups, shuffled within each group when there is an `rng`."""
    events: list[Event] = []
    for group in row["groups"]:
        step = [Event(item["name"], item["result"]) for item in group]
        if rng is not None:
            rng.shuffle(step)
        events += step
    return events


def fitted(tokenizer: Any, row: Row, events: list[Event], mask: Mask, limit: int) -> Document:
    """The document within `limit` tokens: its oldest events go first, as in serving; the profile never does."""
    while True:
        document = encode(tokenizer, row["profile"], events, mask)
        if len(document) <= limit:
            return document
        if len(events) <= 1:
            raise BadDocument(f"The profile of {row['id']} alone is longer than {limit} tokens.")
        events = events[max(1, len(events) * (len(document) - limit) // (2 * len(document))) :]


@dataclass
class Order:
    """Where a run stands in its data; the order of an epoch depends on `seed` and `epoch` alone."""

    seed: int
    epoch: int = 0
    position: int = 0

    def documents(self, rows: Sequence[Row], make: Callable[[Row, random.Random], Document]) -> Iterator[Document]:
        """Documents without end, epoch after epoch, each row's events shuffled anew; moves this order along."""
        while True:
            order = list(range(len(rows)))
            random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
            while self.position < len(order):
                row = rows[order[self.position]]
                self.position += 1
                yield make(row, random.Random(f"{self.seed}/{self.epoch}/{row['id']}"))
            self.epoch, self.position = self.epoch + 1, 0


def step_of(documents: Iterator[Document], tokens: int) -> list[Document]:
    """At least one document, and more until there are `tokens` tokens."""
    step = [next(documents)]
    while sum(len(document) for document in step) < tokens:
        step.append(next(documents))
    return step


def micro_batches(step: Sequence[Document], tokens: int) -> list[list[Document]]:
    """Groups of similar length whose padded size is at most `tokens` (a longer document goes alone)."""
    batches: list[list[Document]] = []
    for document in sorted(step, key=len):
        if batches and (len(batches[-1]) + 1) * len(document) <= tokens:
            batches[-1].append(document)
        else:
            batches.append([document])
    return batches


def unigram_loss(train: Sequence[Document], test: Sequence[Document], vocabulary: int) -> float:
    """Nats per kept token of a model that knows only how frequent each token is (add-one smoothed)."""
    counts = np.ones(vocabulary)
    for document in train:
        np.add.at(counts, document.ids[document.kept], 1)
    logs = np.log(counts / counts.sum())
    return float(-np.concatenate([logs[document.ids[document.kept]] for document in test]).mean())
