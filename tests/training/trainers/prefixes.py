"""Prints, for results of many endings, whether the served prompt's ids are a prefix of the trained ids."""

from __future__ import annotations

import json
import sys
from typing import Any

from transformers import AutoTokenizer

from agents.world.grammar import SEPARATOR, Event, query
from training.trainers.documents import encode

PROFILE = "Patient:\n70-year-old man\n\nHistory:\nIt hurts (a lot)!\n\nFinal Diagnosis:\nGout"
RESULTS = (
    "Normal.",
    "Value: 16; Numeric Value: 16.0; Units: mEq/L",
    "22.0 mg/L (0-8) H",
    "Positive!?",
    "Sodium: 140\nPotassium: 4.1",
    "ß-haemolysis, 37 °C",
    "<2",
    "...",
    "-1.5 (low)",
)


def main(folder: str) -> dict[str, int]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    events = [Event(f"Test {n}", result) for n, result in enumerate(RESULTS)]
    document = encode(tokenizer, PROFILE, events, "results")
    prefixes = sum(_is_prefix(tokenizer, events, n, document) for n in range(len(events)))
    joined = sum(
        len(_ids(tokenizer, r + SEPARATOR)) < len(_ids(tokenizer, r) + _ids(tokenizer, SEPARATOR)) for r in RESULTS
    )
    return {"results": len(events), "prompts_that_are_prefixes": prefixes, "punctuation_joins_separator": joined}


def _is_prefix(tokenizer: Any, events: list[Event], n: int, document: Any) -> bool:
    prompt = _ids(tokenizer, query(PROFILE, events[:n], events[n].name))
    starts = list(document.ids[: len(prompt)]) == prompt
    return bool(starts and document.kept[len(prompt)] and not document.kept[len(prompt) - 1])


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
