"""Which tokens carry loss, in what order events come, what is dropped: all without torch."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest

from agents.world.grammar import Event, query
from training.trainers.documents import (
    BadDocument,
    Document,
    Order,
    encode,
    fitted,
    micro_batches,
    shuffled,
    step_of,
    unigram_loss,
)


class Words:
    """Splits like the default model's tokenizer: words, single digits, and runs of punctuation such as ".<"."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}

    def __call__(self, text: str, **_: Any) -> dict[str, Any]:
        found = list(re.finditer(r"<\|endoftext\|>| ?[A-Za-z]+|\d| ?(?:(?!<\|endo)[^\sA-Za-z\d])+|\s", text))
        ids = [self.vocabulary.setdefault(match[0], len(self.vocabulary)) for match in found]
        return {"input_ids": ids, "offset_mapping": [match.span() for match in found]}

    def text(self, document: Document, kept: bool) -> list[str]:
        words = list(self.vocabulary)
        return [words[i] for i, keep in zip(document.ids, document.kept, strict=True) if keep is np.bool_(kept)]


PROFILE = "Patient:\nA man\n\nFinal Diagnosis:\nGout"
EVENTS = [Event("Knee", "Warm."), Event("Uric acid", "9")]
ROW = {
    "id": "v1",
    "profile": PROFILE,
    "groups": [[{"name": n, "result": r} for n, r in g] for g in ([("A", "1")], [(x, x) for x in "bcdefgh"])],
}


def test_results_mask_keeps_results_and_the_separators_that_end_them() -> None:
    words = Words()
    document = encode(words, PROFILE, EVENTS, "results")
    assert words.text(document, True) == ["Warm", ".<", "SEP", ">", "9", "<", "SEP", ">"]


def test_events_mask_keeps_all_but_the_profile() -> None:
    words = Words()
    document = encode(words, PROFILE, EVENTS, "events")
    first = list(document.kept).index(True)
    assert document.kept[first:].all()
    assert words.text(document, True)[:6] == ["Exam", " name", ":", "\n", "Knee", "\n"]
    assert words.text(document, True)[-1] == "<|endoftext|>"
    assert words.text(document, False)[-3:] == [" examination", ":", "\n"]


def test_the_prompt_of_each_result_is_a_token_prefix() -> None:
    words = Words()
    document = encode(words, PROFILE, EVENTS, "results")
    for n, event in enumerate(EVENTS):
        prompt = words(query(PROFILE, EVENTS[:n], event.name))["input_ids"]
        assert list(document.ids[: len(prompt)]) == prompt
        assert document.kept[len(prompt)]
        assert not document.kept[len(prompt) - 1]


def test_a_result_that_would_join_its_prompt_is_refused() -> None:
    with pytest.raises(BadDocument, match="must not begin with space"):
        encode(JoinedNewlines(), PROFILE, [Event("Knee", "\nwarm")], "results")


class JoinedNewlines(Words):
    def __call__(self, text: str, **_: Any) -> dict[str, Any]:
        found = list(re.finditer(r"\s+|\S+", text))
        return {"input_ids": list(range(len(found))), "offset_mapping": [match.span() for match in found]}


def test_events_are_shuffled_within_a_time_step_only() -> None:
    orders = {tuple(event.name for event in shuffled(ROW, random.Random(n))) for n in range(20)}
    assert len(orders) > 10
    assert all(order[0] == "A" and sorted(order[1:]) == list("bcdefgh") for order in orders)


def test_without_a_generator_the_order_is_the_row_s() -> None:
    assert [event.name for event in shuffled(ROW, None)] == list("Abcdefgh")


def test_an_over_long_document_loses_its_oldest_events_and_keeps_the_profile() -> None:
    words = Words()
    events = shuffled(ROW, None)
    whole = len(encode(words, PROFILE, events, "results"))
    document = fitted(words, ROW, events, "results", whole - 1)
    assert len(document) < whole
    assert words.text(document, False)[:4] == ["Patient", ":", "\n", "A"]
    assert words.text(document, True)[0] != "1"
    assert words.text(document, True)[-4] == "h"


def test_a_profile_alone_too_long_is_refused() -> None:
    with pytest.raises(BadDocument, match="v1"):
        fitted(Words(), ROW, shuffled(ROW, None), "results", 10)


def test_every_epoch_has_every_row_once_in_another_order() -> None:
    rows = [{"id": str(n)} for n in range(8)]
    drawn = Order(seed=3).documents(rows, lambda row, rng: (row["id"], rng.random()))
    epochs = [[next(drawn) for _ in rows] for _ in range(3)]
    assert all(sorted(name for name, _ in epoch) == [str(n) for n in range(8)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_an_order_goes_on_where_it_was_left() -> None:
    rows = [{"id": str(n)} for n in range(5)]
    order = Order(seed=3)
    drawn = order.documents(rows, lambda row, rng: (row["id"], rng.random()))
    for _ in range(7):
        next(drawn)
    again = Order(3, order.epoch, order.position).documents(rows, lambda row, rng: (row["id"], rng.random()))
    assert [next(again) for _ in range(9)] == [next(drawn) for _ in range(9)]


def of_length(n: int) -> Document:
    return Document(np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool))


def test_micro_batches_waste_little_and_lose_nothing() -> None:
    step = [of_length(n) for n in (90, 10, 45, 12, 50, 200)]
    batches = micro_batches(step, 100)
    assert sorted(len(document) for batch in batches for document in batch) == [10, 12, 45, 50, 90, 200]
    assert [[len(document) for document in batch] for batch in batches] == [[10, 12], [45, 50], [90], [200]]


def test_a_step_has_at_least_one_document() -> None:
    stream = iter([of_length(900), of_length(3), of_length(3), of_length(3)])
    assert [len(document) for document in step_of(stream, 5)] == [900]
    assert [len(document) for document in step_of(stream, 5)] == [3, 3]


def test_unigram_loss_is_that_of_smoothed_counts() -> None:
    train = Document(np.array([0, 0, 0, 1]), np.array([False, True, True, True]))  # counts 1+2, 1+1 of 5
    test = Document(np.array([1, 0]), np.array([True, False]))
    assert unigram_loss([train], [test], 2) == pytest.approx(-np.log(2 / 5))
