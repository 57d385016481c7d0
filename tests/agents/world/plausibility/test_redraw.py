"""A refused draw is drawn again with the next seed; after the last there is no result, and it is said why."""

import pytest

from agents.errors import PolicyUnavailable
from agents.types import Observation, Source
from agents.world.plausibility import accept, check

TEXTS = {7: "1380 mmol/L", 8: "", 9: "138 mmol/L (136-145)", 10: "139 mmol/L"}


def sodium(text):
    return check(text, examination="Sodium")


async def draw(seed):
    return Observation(TEXTS[seed], Source.SIMULATED, "Sodium", model="m", seed=seed)


async def test_the_first_believable_draw_is_taken():
    judged = await accept(draw, sodium, seed=7)
    assert judged.accepted
    assert (judged.observation.text, judged.observation.seed) == (TEXTS[9], 9)
    assert [verdict.seed for verdict in judged.verdicts] == [7, 8, 9]
    assert judged.refused == (TEXTS[7], TEXTS[8])


async def test_none_is_believable():
    judged = await accept(draw, sodium, seed=7, tries=2)
    assert not judged.accepted
    assert judged.observation.source is Source.UNAVAILABLE
    assert judged.observation.text.endswith("The result is empty.")
    assert "1380" not in judged.observation.text


async def test_an_outage_is_not_a_refusal():
    async def gone(seed):
        raise PolicyUnavailable("gone", code="policy_unavailable")

    with pytest.raises(PolicyUnavailable):
        await accept(gone, sodium)
    with pytest.raises(ValueError, match="one try"):
        await accept(draw, sodium, tries=0)
