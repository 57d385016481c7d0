"""The world model's text: byte for byte as published, and reversible whatever stands in the data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.world.grammar import (
    END,
    HEADING,
    SEPARATOR,
    Event,
    Kind,
    Unparsable,
    Unserialisable,
    fit,
    parse,
    pieces,
    profile,
    query,
    result,
    serialise,
    split_profile,
)

PARTS = (
    "<SEP>", "<\\SEP>", "<|endoftext|>", "<endoftext>", "<|im_start|>", "Exam name:", "Exam name:\n",
    "\nExam results:\n", "Final Diagnosis:", "\n\nFinal Diagnosis:\n", HEADING, HEADING.strip(), "\\", "<", ">", "|",
    "\n", " ", "\r", "potassium 4.1",
)  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=5)), max_size=6).map("".join)
names = texts.map(lambda text: text.replace("\n", "")).filter(str.strip)
events = st.lists(st.builds(Event, names, texts), max_size=4)

PUBLISHED = (
    "Chest pain since the morning.\n\nFinal Diagnosis:\nPericarditis"
    "\nThe following summarizes the results from the patient's medical examination:\n"
    "Exam name:\nHeart\nExam results:\nRub.<SEP>"
    "Exam name:\nTroponin\nExam results:\nValue: 3; Numeric Value: 3.0; Units: ng/L; Reference Range: 0.0 - 14.0<SEP>"
    "<|endoftext|>"
)
TOLD = profile("\n Chest pain since the morning.\n", "Pericarditis")
DONE = [
    Event("Heart", "Rub."),
    Event("Troponin", "Value: 3; Numeric Value: 3.0; Units: ng/L; Reference Range: 0.0 - 14.0"),
]


def test_document_is_the_published_one_byte_for_byte():
    assert serialise(TOLD, DONE) == PUBLISHED


def test_query_is_the_document_up_to_the_result():
    assert query(TOLD, DONE[:1], "Troponin") == PUBLISHED[: PUBLISHED.index("Value: 3;")]


@given(texts, events)
def test_every_document_reads_back(told, done):
    assert parse(serialise(told, done)) == (told, done)


documents = st.lists(
    st.one_of(st.sampled_from((*PARTS, "Exam name:\nNa\nExam results:\n140<SEP>")), st.text(max_size=4)), max_size=8
).map(lambda parts: "".join([parts[0] if parts else "", HEADING, *parts[1:]]) + END)


@given(documents)
def test_every_readable_text_is_written_the_same(text):
    try:
        told, done = parse(text)
    except Unparsable:
        return
    assert serialise(told, done) == text


@given(texts, events)
def test_written_documents_are_written_the_same_again(told, done):
    text = serialise(told, done)
    assert serialise(*parse(text)) == text


@given(texts, events, names)
def test_data_adds_no_separator_and_no_end(told, done, name):
    text = serialise(told, done)
    assert text.count(SEPARATOR) == len(done)
    assert text.count(END) == 1
    assert query(told, done, name).count("\nExam results:\n") == len(done) + 1


@given(texts, events)
def test_pieces_join_to_the_document(told, done):
    found = pieces(told, done)
    assert "".join(text for text, _ in found) == serialise(told, done)
    assert [kind for _, kind in found] == [
        Kind.PROFILE,
        *[Kind.NAME, Kind.RESULT, Kind.SEPARATOR] * len(done),
        Kind.SEPARATOR,
    ]


@given(texts, texts)
def test_profile_gives_its_parts_back(presentation, diagnosis):
    assert split_profile(profile(presentation, diagnosis)) == (presentation.strip(), diagnosis)


@pytest.mark.parametrize("name", ["", "  ", "CBC\nExam results:\nnormal"])
def test_a_name_is_one_line(name):
    with pytest.raises(Unserialisable):
        query(TOLD, [], name)
    with pytest.raises(Unserialisable):
        serialise(TOLD, [Event(name, "normal")])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (PUBLISHED.removesuffix(END), "does not end"),
        (PUBLISHED.replace(HEADING, "\n"), "heading"),
        (PUBLISHED.replace("<SEP><|endoftext|>", "<|endoftext|>"), "last examination"),
        (PUBLISHED.replace("Exam name:\nTroponin", "Troponin"), "Examination 2"),
        (PUBLISHED.replace("Exam name:\nTroponin", "Exam name:\n"), "not one line"),
        (PUBLISHED.replace("Rub.", "<|im_end|>"), "unescaped"),
    ],
)
def test_other_texts_are_refused_with_the_place(broken, reason):
    with pytest.raises(Unparsable, match=reason):
        parse(broken)


def _words(text):
    return len(text.split())


def test_a_long_record_loses_its_oldest_events_and_keeps_the_profile():
    history = [Event(f"Test {n}", "word " * 20) for n in range(30)]
    text = fit(TOLD, history, "Troponin", _words, 200)
    assert text.startswith(TOLD)
    assert _words(text) <= 200
    kept = text.count(SEPARATOR)
    assert text == query(TOLD, history[-kept:], "Troponin")
    assert _words(query(TOLD, history[-kept - 1 :], "Troponin")) > 200


def test_a_record_that_fits_stays_whole():
    assert fit(TOLD, DONE, "CRP", _words, 1000) == query(TOLD, DONE, "CRP")


def test_a_profile_that_does_not_fit_is_refused():
    with pytest.raises(Unserialisable, match="longer than 5 tokens"):
        fit(TOLD, DONE, "CRP", _words, 5)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Rub.<SEP>Exam name:\nECG", "Rub."),
        (" Rub.\n<|endoftext|>", "Rub."),
        ("Rub.<endoftext>", "Rub."),
        ("see <\\SEP>\n\\Exam name:", "see <SEP>\nExam name:"),
    ],
)
def test_a_models_answer_becomes_plain_data(written, meant):
    assert result(written) == meant
