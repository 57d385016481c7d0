"""The posterior is exact, does not depend on order, and explains itself."""

import random

import numpy as np
import pytest

from agents.world.brute import enumerate_posterior, largest_difference, some_facts, submodel
from agents.world.draw import draw
from agents.world.frame import UnknownPresentation, frame
from agents.world.model import GRADES, MISLEADING, STATES, model
from agents.world.oracle import Belief, Evidence, belief

NEWS = [
    Evidence("pleuritic_pain", True),
    Evidence("fever", False),
    Evidence("ckd_known", True),
    Evidence("d_dimer", 2.1),
    Evidence("creatinine", 1.9),
    Evidence("crp", 14.0),
    Evidence("ecg", "sinus_tachycardia"),
]


def chest_pain() -> Belief:
    return belief("chest_pain", 61, "female")


def test_equals_enumeration() -> None:
    assert largest_difference(model(), cases=3) < 1e-9


def test_enumeration_would_notice_a_wrong_oracle() -> None:
    small = submodel(model(), ["pe", "acs", "gerd"])
    patient = draw(small, 11)
    facts = some_facts(patient)
    wrong = Belief(patient.frame).add(facts[:-2]).posterior()
    assert max(abs(wrong - enumerate_posterior(patient.frame, facts))) > 1e-6


def test_order_and_grouping_do_not_matter() -> None:
    once = chest_pain().add(NEWS).posterior()
    shuffled = random.Random(3).sample(NEWS, len(NEWS))
    one_by_one = chest_pain()
    for item in shuffled:
        one_by_one.add([item])
    np.testing.assert_allclose(one_by_one.posterior(), once, atol=1e-12)


def test_a_repeated_fact_counts_once() -> None:
    once, twice = chest_pain().add(NEWS), chest_pain().add(NEWS).add(NEWS)
    np.testing.assert_array_equal(once.posterior(), twice.posterior())


def test_a_copy_is_independent() -> None:
    first = chest_pain()
    before = first.posterior()
    first.copy().add(NEWS)
    np.testing.assert_array_equal(first.posterior(), before)


def test_without_takes_a_fact_back() -> None:
    less = chest_pain().add(NEWS).without("d_dimer")
    np.testing.assert_allclose(less.posterior(), chest_pain().add([n for n in NEWS if n.id != "d_dimer"]).posterior())


def test_arguments_have_the_right_sign() -> None:
    now = chest_pain().add(
        [Evidence("d_dimer", 6.0), Evidence("heartburn", True), Evidence("ctpa", "pulmonary_embolus")]
    )
    bits = {argument.evidence.id: argument.bits for argument in now.arguments("pe")}
    assert bits["ctpa"] > 2
    assert bits["d_dimer"] > 0 > bits["heartburn"]
    assert [abs(a.bits) for a in now.arguments("pe")] == sorted((abs(b) for b in bits.values()), reverse=True)


def test_an_impossible_age_excludes_a_condition() -> None:
    assert "pe" not in frame("chest_pain", 17, "male").ids
    with pytest.raises(UnknownPresentation):
        frame(
            "chest_pain", 3, "unknown-sex-aged-3".replace("unknown-sex-aged-3", "male"), using=submodel(model(), ["pe"])
        )


def test_the_complaint_itself_is_no_evidence() -> None:
    before = chest_pain().posterior()
    np.testing.assert_allclose(chest_pain().add([Evidence("chest_pain", True)]).posterior(), before)


def test_unknown_facts_are_refused() -> None:
    for item in (Evidence("nonsense", True), Evidence("ecg", "nonsense"), Evidence("nonsense", 1.0)):
        with pytest.raises(KeyError):
            chest_pain().add([item])


def test_graded_findings_keep_their_authored_rate() -> None:
    using = model()
    mean = (using.graded * using.severity[None]).sum(axis=2)
    listed = ~np.isnan(using.listed)
    np.testing.assert_allclose(mean[listed], using.listed[listed], atol=1e-5)
    row = using.finding_index["vomiting"]
    rising = using.graded[row][~np.isnan(using.listed[row])]
    assert (np.diff(rising, axis=1) > 0).all()


def test_tables_are_probabilities() -> None:
    base = frame("chest_pain", 61, "female")
    np.testing.assert_allclose(base.joint.sum(axis=(3, 4)), 1)
    np.testing.assert_allclose(base.results("ecg").sum(axis=0), 1)
    assert base.state.shape[1] == STATES
    np.testing.assert_allclose(base.state.sum(axis=1), 1)
    told = base.told(range(len(base.findings)))
    assert ((told >= 0) & (told <= 1)).all()
    assert abs(told[..., :GRADES] - base.findings).max() <= MISLEADING[0]


def test_without_a_complaint_all_conditions_compete() -> None:
    everyone = belief(None, 61, "female")
    assert len(everyone.frame.rows) > len(chest_pain().frame.rows)
    assert everyone.posterior().sum() == pytest.approx(1)
