"""Published numbers keep their tag and are ranked by distance from the real variance."""

from training.evaluation.fidelity.published import TABLE
from training.evaluation.fidelity.table import METRICS


def test_tagged_and_complete():
    assert {row.as_dict()["tag"] for row in TABLE} == {"reported"}
    assert len({row.model for row in TABLE}) == len(TABLE) == 6
    assert set(TABLE[0].values) - {"devices"} <= set(METRICS)


def test_the_widest_variance_is_not_the_best():
    off = {row.model: row.variance_distance for row in TABLE if row.variance_distance is not None}
    assert min(off, key=off.__getitem__) == "DiagGym-7B"
    assert max(off, key=off.__getitem__) == "DeepSeek-V3-671B"
