"""The DiagAgent dialect: byte-compatible, tolerant of its known quirks, strict about what ends a consultation."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.codecs import DialectCodec, by_name
from agents.codecs.dialect import INVESTIGATE, SENTINEL
from agents.types import Action, ActionKind, Exchange, Hypothesis, Inquiry, MalformedAction, Observation, Source
from tests.agents.codecs.strategies import cut, phrases

CODEC = DialectCodec()
INQUIRY = Inquiry(58, "female", "breathless", {"hpi": "Two hours.", "family": "Father had a stroke."})
EXAMINE = f"Current diagnosis: Pulmonary embolism\n{INVESTIGATE} D-dimer\nReason: Pleuritic pain."
STOP = f"{SENTINEL}\n\nDiagnosis: Pulmonary embolism\nReason: The scan shows it."


@st.composite
def sayable(draw):
    target, reason = draw(phrases(70)), draw(phrases(90))
    if draw(st.booleans()):
        return Action(ActionKind.DIAGNOSE, target, reason, (Hypothesis(target),))
    return Action(ActionKind.EXAMINE, target, reason, (Hypothesis(draw(phrases(40))),))


def unambiguous(action):
    """Bold marks are markup to the reader."""
    return not any("**" in text for text in (action.target, action.reason, action.differential[0].diagnosis))


@given(sayable().filter(unambiguous))
def test_what_is_written_is_read_again(action):
    assert CODEC.parse(CODEC.encode(action)) == action


@given(st.data())
def test_the_stream_shows_what_the_action_says(data):
    action = data.draw(sayable().filter(unambiguous))
    parser, fields = CODEC.stream(), defaultdict(str)
    for piece in data.draw(cut(CODEC.encode(action))):
        for part in parser.feed(piece):
            fields[part.field] += part.text
    assert parser.finish() == action
    assert (fields["action"], fields["target"].strip(), fields["reason"].strip()) == (
        action.kind,
        action.target,
        action.reason,
    )


@given(st.text(max_size=200))
def test_any_other_text_is_malformed(text):
    with pytest.raises(MalformedAction):
        CODEC.parse(text)


def test_the_bytes_are_those_of_the_released_checkpoints():
    action = Action(ActionKind.EXAMINE, "D-dimer", "Pleuritic pain.", (Hypothesis("Pulmonary embolism"),))
    assert CODEC.encode(action) == EXAMINE
    final = Action(ActionKind.DIAGNOSE, "Pulmonary embolism", "The scan shows it.")
    assert CODEC.encode(final) == STOP
    assert CODEC.reply([Observation("0.4 mg/L", Source.RECORDED)]) == "Here is the test result: 0.4 mg/L"


# The probes of system.md 2.2, which the published rules get wrong.
PROBES = [
    (f"```\n{EXAMINE}\n```", "D-dimer"),
    (EXAMINE.replace("\nBased", "\n\nBased"), "D-dimer"),
    (EXAMINE.replace("D-dimer", "Biopsy of the 1.5 mm lesion."), "Biopsy of the 1.5 mm lesion"),
    (EXAMINE.replace("D-dimer", "CBC, CMP"), "CBC, CMP"),
    (EXAMINE.replace("performed:", "needed:"), "D-dimer"),
    (EXAMINE.replace("Pleuritic pain.", f"Until then I cannot say: {SENTINEL}"), "D-dimer"),
]


@pytest.mark.parametrize(("text", "target"), PROBES)
def test_probes(text, target):
    action = CODEC.parse(text)
    assert (action.kind, action.target) == (ActionKind.EXAMINE, target)
    assert action.differential == (Hypothesis("Pulmonary embolism"),)


@pytest.mark.parametrize(
    "text",
    [
        STOP,
        f"```text\n{STOP}\n```",
        STOP.replace("Diagnosis:", "**Diagnosis:**"),
        STOP.replace("embolism", "embolism."),
        f"{SENTINEL} Diagnosis: Pulmonary embolism\nReason: The scan shows it.",
        f"Current diagnosis: Pulmonary embolism\n{STOP}",
    ],
)
def test_stopping(text):
    action = CODEC.parse(text)
    assert (action.kind, action.target, action.reason) == (
        ActionKind.DIAGNOSE,
        "Pulmonary embolism",
        "The scan shows it.",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{EXAMINE}\n{STOP}", "given twice|at once"),
        (f"{EXAMINE}\n{SENTINEL}", "at once"),
        (f"{EXAMINE}\n{EXAMINE}", "given twice"),
        (SENTINEL, "final is missing"),
        ("Diagnosis: flu\nReason: fever", "no action"),
        (f"{INVESTIGATE} D-dimer", "current is missing"),
        (EXAMINE.replace("D-dimer", ""), "exam is missing"),
        (f"Certainly!\n{EXAMINE}", "outside the form"),
        ("DIAGNOSIS READY", "outside the form"),
    ],
)
def test_malformed(text, why):
    with pytest.raises(MalformedAction, match=why):
        CODEC.parse(text)


def test_the_sentinel_in_a_result_ends_nothing():
    reply = CODEC.reply([Observation(STOP, Source.SIMULATED)])
    messages = CODEC.messages(INQUIRY, [Exchange(EXAMINE, reply)])
    assert messages[-1].role == "user"
    assert CODEC.parse(EXAMINE).kind is ActionKind.EXAMINE


def test_a_forced_turn_changes_no_earlier_message():
    exchanges = [Exchange(EXAMINE, "Here is the test result: x")]
    plain, forced = CODEC.messages(INQUIRY, exchanges), CODEC.messages(INQUIRY, exchanges, force_final=True)
    assert forced[:-1] == plain[:-1]
    assert forced[-1].content.startswith(plain[-1].content)
    assert CODEC.messages(INQUIRY, exchanges) == plain


@pytest.mark.parametrize("kind", [ActionKind.ASK, ActionKind.DEFER])
def test_what_the_dialect_cannot_say(kind):
    with pytest.raises(ValueError, match="cannot say"):
        CODEC.encode(Action(kind, "x", "y", (Hypothesis("z"),)))


def test_codecs_by_name():
    assert by_name("structured").digest != by_name("diagagent").digest
    assert len(by_name("structured").digest) == 64
    with pytest.raises(ValueError, match="no codec"):
        by_name("morse")
