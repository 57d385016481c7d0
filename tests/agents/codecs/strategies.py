"""Actions as codecs can carry them, for the round-trip properties."""

import itertools

from hypothesis import strategies as st

from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup

START = st.sampled_from("ABCDEFGHabcdefgh0123456789")
INNER = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters='"\\<>{}|\x7f'),
    max_size=60,
)


@st.composite
def phrases(draw, most):
    text = " ".join((draw(START) + draw(INNER)).split())[:most].rstrip(" ,;.")
    return text if len(text) >= 2 else f"{text}x"


@st.composite
def differentials(draw):
    count = draw(st.integers(1, 3))
    names = draw(st.lists(phrases(40), min_size=count, max_size=count, unique_by=str.casefold))
    groups = draw(st.lists(st.sampled_from(HypothesisGroup), min_size=count, max_size=count))
    percents = draw(st.lists(st.integers(1, 33), min_size=count, max_size=count))
    return tuple(Hypothesis(n, p / 100, g) for n, p, g in zip(names, percents, groups, strict=True))


@st.composite
def actions(draw):
    kind = draw(st.sampled_from(ActionKind))
    return Action(kind, draw(phrases(70)), draw(phrases(120)), draw(differentials()))


@st.composite
def cut(draw, text):
    """The text in pieces, cut anywhere."""
    places = draw(st.lists(st.integers(0, len(text)), max_size=12).map(sorted))
    bounds = [0, *places, len(text)]
    return [text[a:b] for a, b in itertools.pairwise(bounds)]
