"""Free-text requests are read as examinations of the catalogue, or not at all."""

import pytest

from agents.examinations import covers, match, same
from agents.knowledge.catalogue import catalogue


def ids(request: str) -> list[str]:
    return [hit.exam for hit in match(request)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("CBC", ["cbc"]),
        ("FBC", ["cbc"]),
        ("full blood count", ["cbc"]),
        ("complet blood cont", ["cbc"]),
        ("Complete Blood Count (CBC)", ["cbc"]),
        ("bloods", ["cbc", "bmp", "lft", "crp"]),
        ("CXR, ECG and troponin", ["chest_xray", "ecg", "troponin"]),
        ("urea and electrolytes and LFTs", ["bmp", "lft"]),
        ("CT abdomen and pelvis with contrast", ["ct_abdomen"]),
        ("please do a head CT scan", ["ct_head"]),
        ("X-ray of the left knee", ["joint_xray"]),
        ("check K and Na", ["potassium", "sodium"]),
        ("blood cultures x2; tropnin", ["blood_culture", "troponin"]),
        ("hemoglobin", ["hb"]),
        ("Thyroid function tests (TSH, FT4)", ["tft"]),
        ("Physical examination of the chest", ["respiratory_examination"]),
    ],
)
def test_reads_what_clinicians_write(request_: str, expected: list[str]) -> None:
    assert ids(request_) == expected


@pytest.mark.parametrize("nonsense", ["", "  ", "tarot reading", "take a history", "MRI", "what do you take", "ct"])
def test_reads_nothing_into_what_is_no_examination(nonsense: str) -> None:
    assert match(nonsense) == []


def test_shows_how_it_matched() -> None:
    exact, typo = match("troponin")[0], match("echocardiogarm")[0]
    assert (exact.score, exact.via) == (1.0, "name") or exact.via == "synonym"
    assert typo.via == "typo"
    assert 0.84 <= typo.score < 1
    assert typo.text == "echocardiogarm"


def test_every_name_and_synonym_finds_its_examination() -> None:
    missed = []
    for exam in catalogue().exams.values():
        for words in (exam.name, *exam.synonyms):
            hits = match(words)
            if not any(covers(hit.exam, exam.id) or covers(exam.id, hit.exam) for hit in hits):
                missed.append((exam.id, words, [hit.exam for hit in hits]))
    assert missed == []


def test_a_panel_covers_its_parts_and_not_the_reverse() -> None:
    assert covers("cbc", "hb")
    assert covers("cmp", "sodium")
    assert not covers("hb", "cbc")
    assert not covers("cbc", "sodium")
    assert same("CBC", "haemoglobin")
    assert not same("CBC", "chest x-ray")
