"""Two evaluations compared: paired on each case, refused where they differ, read beside each other."""

from __future__ import annotations

import pytest
from django.urls import reverse

from clinic.services.errors import Refused
from tests.clinic.factories import make_site, make_version
from tests.training.episodes import episode
from tests.training.factories import make_evaluated, make_evaluation
from tests.training.test_views import QUERIES, questions, reader, visitor  # noqa: F401
from training.comparing import comparable, compare
from training.evaluation.comparison import differences
from training.models import Evaluation

pytestmark = pytest.mark.django_db


def played(*outcomes: bool | None, **fields) -> Evaluation:
    """A finished evaluation with one case for each outcome, None where it failed."""
    evaluation = make_evaluation(total=len(outcomes), done=len(outcomes), **fields)
    for number, correct in enumerate(outcomes, 1):
        result = (
            {"precision": 0.5, "recall": 0.5, "f1": 0.4 + correct / 10, "turns": 4, "examinations": 2, "cost": 9.0}
            if correct is not None
            else {"error": "down"}
        )
        make_evaluated(
            evaluation, case=f"c{number}", correct=correct, result=result, diagnosis="Flu" if correct else "Gout"
        )
    return evaluation


def address(*evaluations: Evaluation) -> str:
    return reverse("training:evaluation_compare") + "?" + "&".join(f"of={row.pk}" for row in evaluations)


def test_paired_on_each_case():
    got = compare(
        candidate=played(True, True, True, True, False, None), baseline=played(True, False, False, False, True, True)
    )
    assert (len(got.gained), len(got.lost), got.both_right, got.both_wrong, got.without_outcome) == (3, 1, 1, 0, 1)
    accuracy = got.measures[0]
    assert (accuracy.name, accuracy.n, accuracy.wins, accuracy.losses) == ("accuracy", 5, 3, 1)
    assert accuracy.difference == pytest.approx(0.4)
    assert accuracy.low <= 0.4 <= accuracy.high
    # McNemar's exact test of 3 against 1: 2 * (1 + 4) / 16.
    assert accuracy.p == pytest.approx(0.625)
    names = [measure.name for measure in got.measures]
    assert names == ["accuracy", "f1", "f1_of_means", "precision", "recall", "turns", "examinations", "cost"]
    assert [measure.p for measure in got.measures[1:]] == [None] * 7, "one test alone"


def test_f1_of_means_is_not_the_mean_of_f1():
    ours = [
        {"accuracy": 1.0, "precision": 1.0, "recall": 0.0, "f1": 0.0},
        {"accuracy": 1.0, "precision": 0.0, "recall": 1.0, "f1": 0.0},
    ]
    theirs = [{"accuracy": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}] * 2
    got = {row.name: row for row in differences("end-to-end", ours, theirs)}
    assert (got["f1"].difference, got["f1_of_means"].difference) == (0.0, 0.5)


def test_rubrics_and_single_turns_have_their_own_measures():
    rubric = {"rubric": {"value": 0.8, "coverage": 1.0}}
    pair = [make_evaluation(protocol="rubric", total=1, done=1) for _ in range(2)]
    for row, value in zip(pair, (0.8, 0.3), strict=True):
        make_evaluated(row, case="c", result={"rubric": {**rubric["rubric"], "value": value}})
    got = compare(candidate=pair[0], baseline=pair[1]).measures
    assert [(row.name, row.difference) for row in got] == [("rubric", pytest.approx(0.5)), ("coverage", 0.0)]
    pair = [make_evaluation(protocol="single-turn", total=1, done=1) for _ in range(2)]
    for row, hits in zip(pair, ([True, False], [False, False]), strict=True):
        make_evaluated(row, case="c", result={"turns": [{"hit": hit} for hit in hits]})
    got = compare(candidate=pair[0], baseline=pair[1]).measures
    assert [(row.name, row.difference) for row in got] == [("accuracy", 0.0), ("hits", 0.5)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol": "single-turn"}, "protocol"),
        ({"case_set": "virtual:validation"}, "set of cases"),
        ({"case_seed": 4}, "case seed"),
        ({"contents": "v2"}, "contents of the cases"),
        ({"limits": {"max_turns": 15}}, "limits of a consultation"),
        ({"judge": {"kind": "language", "model": "wise"}}, "judge"),
        ({"status": "running"}, "Not finished yet"),
    ],
)
def test_what_differs_is_named(changes, words):
    with pytest.raises(Refused, match=words):
        compare(candidate=played(True), baseline=played(True, **changes))


def test_other_cases_are_refused():
    with pytest.raises(Refused, match="2 and 3, of which 2 are in both"):
        compare(candidate=played(True, True), baseline=played(True, True, False))


def test_the_page_shows_intervals_and_the_cases_that_part(reader):  # noqa: F811
    ours, theirs = played(True, True, False, policy="mine"), played(True, False, True, policy="theirs")
    html = reader.get(address(ours, theirs)).content.decode()
    assert "mine against theirs" in html
    assert "Right: mine; wrong: theirs (1)" in html
    assert reverse("training:evaluation_beside", args=[ours.pk, theirs.pk, 2]) in html
    assert reverse("training:evaluation_episode", args=[theirs.pk, 3]) in html
    assert "style=" not in html
    assert questions(reader, address(ours, theirs)) <= QUERIES


def test_a_refusal_is_a_sentence(reader):  # noqa: F811
    one = played(True)
    for where in (
        address(one),
        address(one, one),
        address(one, played(True, case_seed=1)),
        reverse("training:evaluation_compare") + "?of=x&of=1",
    ):
        answer = reader.get(where)
        assert answer.status_code == 422
        assert b"Not comparable" in answer.content
    told = reader.get(address(one, played(True, case_seed=1))).content.decode()
    assert "they differ in: virtual patients (case seed)" in told


def test_both_are_read_beside_each_other(reader):  # noqa: F811
    ours, theirs = make_evaluation(policy="mine"), make_evaluation(policy="theirs")
    make_evaluated(theirs, case="other")
    make_evaluated(ours, case="c")
    make_evaluated(theirs, case="c", episode=episode("CT", diagnosis="Gout", case="c").as_dict())
    html = reader.get(reverse("training:evaluation_beside", args=[ours.pk, theirs.pk, 1])).content.decode()
    assert html.index('id="a-turn-1"') < html.index('id="b-turn-1"')
    assert 'id="turn-1"' not in html
    assert "Gout" in html
    place = reverse("training:evaluation_beside", args=[ours.pk, theirs.pk, 1])
    assert questions(reader, place) <= QUERIES
    assert reader.get(reverse("training:evaluation_beside", args=[ours.pk, theirs.pk, 2])).status_code == 404


def test_no_other_site_compares():
    ours, theirs = played(True), played(False)
    stranger = visitor("clinician", site=make_site())
    assert stranger.get(address(ours, theirs)).status_code == 422
    assert stranger.get(reverse("training:evaluation_beside", args=[ours.pk, theirs.pk, 1])).status_code == 404


def test_the_choice_offers_what_can_be_compared(reader):  # noqa: F811
    one, other = played(True, policy="mine"), played(False, policy="same-cases")
    played(True, policy="elsewhere", case_seed=3)
    assert comparable(one) == [other]
    html = reader.get(reverse("training:evaluation_detail", args=[one.pk])).content.decode()
    assert f'<option value="{other.pk}">same-cases' in html
    assert "elsewhere" not in html


def test_a_version_shows_its_evaluations(reader):  # noqa: F811
    version = make_version(status="retired")
    place = reverse("version_detail", args=[version.version])
    assert b"No evaluation of this version" in reader.get(place).content
    make_evaluation(policy="mine", identity={"version": version.version})
    make_evaluation(policy="medagents:mine", identity={"version": f"medagents({version.version})"})
    make_evaluation(policy="not-mine", identity={"version": "dx-other"})
    html = reader.get(place).content.decode()
    assert "<b>62 %</b> right (50 % to 75 %), 80 % of the oracle" in html
    assert "medagents:mine" in html
    assert "not-mine" not in html
    assert questions(reader, place) <= QUERIES + 1
