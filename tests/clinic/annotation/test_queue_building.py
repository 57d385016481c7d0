"""A query becomes a queue: what it finds, what it takes, gold, repeats, comparisons, and who gets what."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from clinic.models import (
    Annotation,
    AnnotationStatus,
    AuditEntry,
    Consultation,
    Feedback,
    Outcome,
    QueueItem,
    Role,
    RubricScope,
)
from clinic.queue_query import QueueQuery
from clinic.services import queue_building as building
from clinic.services import queues
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import (
    default_site,
    make_case,
    make_consultation,
    make_endpoint,
    make_site,
    make_turn,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db
PNEUMONIA = [{"diagnosis": "Pneumonia", "probability": 0.6}, {"diagnosis": "Pulmonary embolism", "probability": 0.2}]


def closed(action="diagnose", target="Pneumonia", diagnosis="Pneumonia", **fields):
    """A closed consultation whose agent had the last word."""
    made = make_consultation(**{"status": "closed", "closed_at": timezone.now(), "diagnosis": diagnosis, **fields})
    make_turn(made, "agent", action={"action": action, "target": target, "differential": PNEUMONIA})
    return made


@pytest.fixture
def keeper():
    return make_user(Role.ADJUDICATOR)


@pytest.fixture
def rubric():
    return make_rubric()


def taken(plan):
    return {one.candidate.id for one in plan.chosen}


def test_only_what_the_agent_took_part_in_of_this_site_and_not_sealed(keeper, rubric):
    mine = closed()
    make_consultation(status="closed", closed_at=timezone.now())
    make_turn(make_consultation(), "agent", action={"action": "ask"})
    closed(case=make_case(site=make_site()))
    closed(case=make_case(key="virtual:sealed:0001"))
    assert taken(building.plan(query=QueueQuery(), seed=1, by=keeper)) == {mine.pk}


def test_each_filter_narrows(keeper, rubric):
    other = make_endpoint(version=make_version(status="candidate"))
    record, late = closed(case=make_case("record")), closed(endpoint=other)
    Consultation.objects.filter(pk=record.pk).update(created_at=timezone.now() - timedelta(days=30))
    today = timezone.localdate()

    def found(**query):
        return taken(building.plan(query=QueueQuery(**query), seed=1, by=keeper))

    assert found() == {record.pk, late.pk}
    assert found(kinds=("record",)) == {record.pk}
    assert found(since=today) == {late.pk}
    assert found(until=today - timedelta(days=1)) == {record.pk}
    assert found(until=today) == {record.pk, late.pk}
    assert found(versions=(other.model_version_id,)) == {late.pk}


def test_ends_are_read_from_what_happened(keeper, rubric):
    plain, deferred = closed(), closed("defer", "An opinion")
    otherwise, replaced, withdrawn = closed(diagnosis="Gout"), closed(), closed()
    for row, status in ((replaced, "proposed"), (withdrawn, "withdrawn")):
        Feedback.objects.create(
            site=row.site, kind="replaced", consultation=row, by=row.clinician, target="CT", status=status
        )
    known = closed()
    Outcome.objects.create(consultation=known, diagnosis="Pneumonia", by=known.clinician)

    def found(end):
        return taken(building.plan(query=QueueQuery(ends=(end,)), seed=1, by=keeper))

    assert found("deferred") == {deferred.pk}
    assert found("overridden") == {otherwise.pk, replaced.pk}
    assert found("outcome") == {known.pk}
    assert plain.pk in taken(building.plan(query=QueueQuery(), seed=1, by=keeper))


def test_a_retracted_deferral_is_none(keeper, rubric):
    row = closed()
    make_turn(row, "agent", action={"action": "defer", "target": "x"}, retracted_at=timezone.now())
    assert not taken(building.plan(query=QueueQuery(ends=("deferred",)), seed=1, by=keeper))


def test_disagreement_is_the_knowledge_s_own_opinion(keeper, rubric):
    cough = make_case(complaint="Cough and fever for three days")
    agrees = closed("diagnose", "Gout", case=cough)
    agrees.turns.update(action={"action": "diagnose", "target": "Gout", "differential": [{"diagnosis": "Gout"}]})
    silent = closed()
    silent.turns.update(action={"action": "ask", "target": "?", "differential": []})
    assert taken(building.plan(query=QueueQuery(ends=("disagreed",)), seed=1, by=keeper)) == {agrees.pk}


def test_all_of_some_and_a_share_of_the_rest_by_stratum(keeper, rubric):
    for complaint in ("Chest pain", "Headache"):
        for _ in range(5):
            closed(case=make_case(complaint=complaint, history={}))
    whole = {closed("defer", "x", case=make_case(complaint="Headache", history={})).pk for _ in range(2)}
    query = QueueQuery(all_of=("deferred",), rest_percent=20, strata=("complaint", "policy"))
    plan = building.plan(query=query, seed=4, by=keeper)
    assert whole < taken(plan)
    name = Consultation.objects.first().model_version.name
    assert plan.strata == [(f"Chest pain · {name}", 5, 0, 1), (f"Headache · {name}", 7, 2, 1)]


def test_the_same_query_and_seed_build_the_same_items(keeper, rubric):
    for _ in range(12):
        closed()
    query = QueueQuery(rest_percent=50, repeat_percent=20)

    def built(seed):
        queue = building.build(query=query, seed=seed, by=keeper, title="Q")
        assert (QueueQuery.of(queue.query), queue.seed) == (query, seed)
        return list(queue.items.values_list("consultation", "position", "repeat_of__consultation"))

    assert built(7) == built(7)
    assert built(7) != built(8)
    assert AuditEntry.objects.filter(action="queue.built").count() == 4


def test_items_carry_the_rubric_that_judges_them_and_others_stay_out(keeper):
    case = make_case()
    version = make_rubric(scope=RubricScope.CASE, case=case)
    judged = closed(case=case)
    closed()
    plan = building.plan(query=QueueQuery(), seed=1, by=keeper)
    assert (taken(plan), plan.without_rubric) == ({judged.pk}, 1)
    (item,) = building.build(query=QueueQuery(), seed=1, by=keeper, title="Q").items.all()
    assert item.rubric_version == version


def test_refusals_say_what_to_do(keeper, rubric):
    def refused(by=keeper, query=None, **fields):
        with pytest.raises(Refused) as caught:
            building.build(query=query or QueueQuery(), seed=1, by=by, **{"title": "Q", **fields})
        return str(caught.value)

    assert "Nothing matches" in refused()
    closed()
    assert "name" in refused(title=" ")
    assert "keep" in refused(by=make_user(Role.ANNOTATOR)) or "build" in refused(by=make_user(Role.ANNOTATOR))
    assert "not in force" in refused(rubric=make_rubric(status="writing"))
    assert "not in force" in refused(rubric=make_rubric(site=make_site()))
    assert "as many people" in refused(people=[make_user(Role.ANNOTATOR)])
    assert "as many people" in refused(people=[make_user(Role.ANNOTATOR), make_user(Role.CLINICIAN)])
    rubric.move_to("retired", by=keeper)
    assert "No rubric in force" in refused()


def test_gold_comes_from_what_was_settled_by_the_same_rubric(keeper, rubric):
    settled, by_another = closed(), closed()
    make_annotation(make_item(make_queue(), consultation=settled, rubric_version=rubric), authoritative=True)
    old = make_rubric(status="retired")
    make_annotation(make_item(make_queue(), consultation=by_another, rubric_version=old), authoritative=True)
    fresh = [closed() for _ in range(3)]
    Consultation.objects.filter(pk=settled.pk).update(created_at=timezone.now() - timedelta(days=9))
    query = QueueQuery(since=timezone.localdate() - timedelta(days=1), gold_percent=50)
    queue = building.build(query=query, seed=1, by=keeper, title="Q")
    assert list(queue.items.filter(gold=True).values_list("consultation", flat=True)) == [settled.pk]
    assert queue.items.count() == len(fresh) + 2


def test_repeats_stand_at_the_end_and_name_their_first(keeper, rubric):
    for _ in range(4):
        closed()
    queue = building.build(query=QueueQuery(repeat_percent=50), seed=1, by=keeper, title="Q", overlap=1)
    repeats = list(queue.items.exclude(repeat_of=None))
    assert [item.position for item in repeats] == [4, 5]
    assert all(item.repeat_of.consultation_id == item.consultation_id for item in repeats)
    person = make_user(Role.ANNOTATOR)
    seen = []
    while one := queues.take_next(by=person, queue=queue):
        seen.append(one.item_id)
        one.move_to("submitted", by=person, submitted_at=timezone.now())
        QueueItem.objects.filter(pk=one.item_id).update(submitted=1)
    assert len(seen) == 6


def test_two_policies_are_compared_on_the_same_case(keeper):
    one, two = make_endpoint(), make_endpoint(version=make_version(status="candidate"))
    case = make_case()
    first, second = closed(case=case, endpoint=one), closed(case=case, endpoint=two)
    closed(endpoint=one)
    query = QueueQuery(first=one.model_version_id, second=two.model_version_id, strata=("policy",))
    queue = building.build(query=query, seed=1, by=keeper, title="A/B")
    (item,) = queue.items.all()
    assert (queue.kind, item.consultation, item.other, item.rubric_version) == ("preference", first, second, None)
    with pytest.raises(Refused, match="no rubric"):
        building.build(query=query, seed=1, by=keeper, title="A/B", rubric=make_rubric())


@pytest.mark.parametrize("seed", range(4))
def test_named_people_get_even_shares_and_never_their_own(keeper, rubric, seed):
    """Also where somebody's own comes late, when the shares are nearly dealt: the seed gives the order."""
    people = [make_user(Role.ANNOTATOR) for _ in range(3)]
    for _ in range(5):
        closed()
    own = closed(clinician=people[0])
    queue = building.build(query=QueueQuery(), seed=seed, by=keeper, title="Q", people=people)
    dealt = Annotation.objects.filter(item__queue=queue, assigned_by=keeper, reserved_until=None)
    assert sorted(Counter(dealt.values_list("annotator", flat=True)).values()) == [4, 4, 4]
    assert set(Counter(dealt.values_list("item", flat=True)).values()) == {2}
    assert not dealt.filter(annotator=people[0], item__consultation=own).exists()
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue) is None
    assert queues.take_next(by=people[1], queue=queue).item.position <= 2


def test_a_closed_queue_ends_what_is_in_work(keeper, rubric):
    closed()
    queue = building.build(query=QueueQuery(), seed=1, by=keeper, title="Q")
    one = queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue)
    with pytest.raises(Refused):
        building.close(queue=queue, by=one.annotator)
    building.close(queue=queue, by=keeper)
    one.refresh_from_db()
    assert one.status == AnnotationStatus.EXPIRED
    with pytest.raises(Refused, match="closed"):
        queues.renew(annotation=one, by=one.annotator)
    building.close(queue=queue, by=keeper)
    assert AuditEntry.objects.filter(action="queue.closed").count() == 1


def test_what_is_planned_asks_as_often_for_many_as_for_few(keeper, rubric, django_assert_max_num_queries):
    assert default_site()
    query = QueueQuery(all_of=("deferred", "overridden", "outcome"), strata=("complaint", "policy", "clinician"))
    closed()
    with django_assert_max_num_queries(4):
        building.plan(query=query, seed=1, by=keeper)
    for _ in range(20):
        closed()
    with django_assert_max_num_queries(4):
        building.plan(query=query, seed=1, by=keeper)
