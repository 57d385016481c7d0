"""What panels read from their members."""

import pytest

from training.evaluation.panels import agrees, complexity, specialties


@pytest.mark.parametrize(
    ("said", "first"),
    [("Cardiology, pulmonology, surgery", "cardiology"), ("1. Neurology\n2. ENT\n3. Eyes", "neurology")],
)
def test_three_specialties(said, first):
    found = specialties(said)
    assert (len(found), found[0]) == (3, first)


def test_nothing_named_gives_the_usual_ones():
    assert specialties("??") == ["internal medicine", "emergency medicine", "radiology"]
    assert specialties("Cardiology, cardiology")[0] == "cardiology"


@pytest.mark.parametrize(
    ("said", "level"),
    [("low", "low"), ("High: several teams", "high"), ("**moderate**", "moderate"), ("It is low", "moderate")],
)
def test_complexity(said, level):
    assert complexity(said) == level


def test_votes():
    assert agrees("Yes, fully.")
    assert not agrees("Not yes")
    assert not agrees("yesterday")
