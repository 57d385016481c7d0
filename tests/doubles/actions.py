"""Random but valid actions, in whichever wire form a request asks for."""

from __future__ import annotations

import random

from agents.codecs import DialectCodec, StructuredCodec
from agents.prompts import load
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup

EXAMINATIONS = ("Complete blood count", "Chest X-ray", "D-dimer", "Vital signs", "ECG", "Troponin", "Lactate")
QUESTIONS = ("When did it begin?", "Do you smoke?", "Is anyone at home ill?", "Does it hurt to breathe in?")
DIAGNOSES = ("Pulmonary embolism", "Pneumonia", "Pneumothorax", "Heart failure", "Costochondritis", "Pericarditis")
REASONS = ("The pain is worse on breathing in.", "Breathless for two hours.", "Surgery ten days ago, swollen calf.")
MISSING = ("A senior opinion", "Imaging that is not available here")
WORDS = ("patient", "reports", "pain", "fever", "since", "Tuesday", "with", "mild", "cough", "and", "fatigue")


def random_action(rng: random.Random, kinds: tuple[str, ...] = tuple(ActionKind)) -> Action:
    kind = ActionKind(rng.choice(kinds))
    names = rng.sample(DIAGNOSES, 3)
    percents = sorted((rng.randint(1, 33) for _ in names), reverse=True)
    differential = tuple(
        Hypothesis(name, percent / 100, rng.choice(list(HypothesisGroup)))
        for name, percent in zip(names, percents, strict=True)
    )
    targets = {"ask": QUESTIONS, "examine": EXAMINATIONS, "diagnose": (names[0],), "defer": MISSING}
    return Action(kind, rng.choice(targets[kind]), rng.choice(REASONS), differential)


def random_text(rng: random.Random, body: dict) -> str:
    """What a model would answer to this request: the schema's action, the dialect's, or prose."""
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema:
        return StructuredCodec().encode(random_action(rng, tuple(schema["properties"]["action"]["enum"])))
    if body["messages"][0]["content"] == load("diagagent_system.txt"):
        return DialectCodec().encode(random_action(rng, ("examine", "diagnose")))
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(20, 80)))
