"""The life of a rubric version: made, edited, published, replaced; what was published stands."""

import pytest
from django.db import DatabaseError, transaction

from clinic.models import (
    AuditEntry,
    CaseKind,
    Role,
    RubricCriterion,
    RubricFlow,
    RubricOrigin,
    RubricScope,
    RubricStatus,
    RubricVersion,
)
from clinic.services import cases, rubric_criteria, rubrics
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import make_case, make_consultation, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def physician():
    return make_user(Role.ANNOTATOR)


@pytest.fixture
def draft(physician):
    return rubrics.create(by=physician, title="  Chest   pain ", scope=RubricScope.COMPLAINT, group="chest_pain")


def add(version, by, text="Orders an electrocardiogram.", points=8, **fields):
    return rubric_criteria.add(version=version, by=by, fields={"text": text, "points": points, **fields})


def publish(version, by, **options):
    return rubrics.publish(version=version, by=by, **options)


def test_a_rubric_from_its_first_criterion_to_its_end(physician, draft):
    assert (draft.rubric.title, draft.number, draft.status) == ("Chest pain", 1, "writing")
    add(draft, physician)
    rubrics.set_guideline(version=draft, by=physician, guideline="Judge what was ordered.")
    first = publish(draft, physician)
    assert (first.status, first.published_by) == ("published", physician)
    second = rubrics.new_version(rubric=draft.rubric, by=physician)
    assert (second.number, second.guideline) == (2, "Judge what was ordered.")
    copied = second.criteria.get()
    rubric_criteria.change(criterion=copied, by=physician, fields={"points": 5})
    publish(second, physician)
    first.refresh_from_db()
    assert first.status == RubricStatus.RETIRED
    assert first.criteria.get().points == 8
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions.count("rubric.published") == 2


def test_the_key_stays_when_the_words_change(physician, draft):
    row = add(draft, physician)
    assert row.key == "orders-an-electrocardiogram"
    changed = rubric_criteria.change(criterion=row, by=physician, fields={"text": "Orders a 12-lead ECG."})
    assert (changed.key, changed.points) == (row.key, 8)
    again = add(draft, physician)
    assert again.key == "orders-an-electrocardiogram-2"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": " "}, "Write what"),
        ({"text": "x" * 8001}, "at most"),
        ({"points": 11}, "-10 to 10"),
        ({"points": "1.5"}, "-10 to 10"),
        ({"points": "many"}, "-10 to 10"),
        ({"never": True, "points": 3}, "below 0"),
        ({"axis": "charm"}, "axis"),
        ({"examples": [{"text": "It did.", "verdict": "perhaps"}]}, "example"),
    ],
)
def test_what_a_criterion_may_not_be(physician, draft, fields, words):
    with pytest.raises(Refused, match=words):
        add(draft, physician, **fields)
    assert not draft.criteria.exists()


def test_a_rule_goes_with_the_statement_it_judges(physician, draft):
    row = add(draft, physician, rule={"examined": ["ECG"]})
    assert rubric_criteria.change(criterion=row, by=physician, fields={"points": 3}).rule == {"examined": ["ECG"]}
    assert rubric_criteria.change(criterion=row, by=physician, fields={"text": "Orders a CT."}).rule is None


def test_what_is_put_away_judges_nothing_new(physician, draft):
    consultation = make_consultation()
    version = make_rubric()
    rubrics.archive(rubric=version.rubric, by=physician)
    assert rubrics.for_consultation(consultation=consultation) is None
    rubrics.archive(rubric=version.rubric, by=physician, away=False)
    assert rubrics.for_consultation(consultation=consultation) == version
    for other in (make_user(Role.ADMIN), make_user(Role.ANNOTATOR, site=make_site())):
        with pytest.raises(Refused):
            rubrics.archive(rubric=version.rubric, by=other)


def test_order_and_removal(physician, draft):
    rows = [add(draft, physician, text=f"Asks about {what}.") for what in ("fever", "cough", "rash")]
    rubric_criteria.move(criterion=rows[2], by=physician, up=True)
    rubric_criteria.move(criterion=rows[0], by=physician, up=True)
    assert [row.text for row in draft.criteria.all()] == ["Asks about fever.", "Asks about rash.", "Asks about cough."]
    rubric_criteria.remove(criterion=rows[0], by=physician)
    assert draft.criteria.count() == 2


def test_merging_keeps_the_one_and_drops_the_other(physician, draft):
    one = add(draft, physician, guideline="Any lead.", examples=[{"text": "ECG ordered.", "verdict": "met"}])
    two = add(draft, physician, text="Orders an ECG.", guideline="Within 10 minutes.")
    merged = rubric_criteria.merge(criterion=one, other=two, by=physician, text="Orders an ECG at once.")
    assert (merged.text, merged.guideline) == ("Orders an ECG at once.", "Any lead.\nWithin 10 minutes.")
    assert [row.kept for row in draft.criteria.all()] == [True, False]
    with pytest.raises(Refused, match="two different"):
        rubric_criteria.merge(criterion=one, other=one, by=physician)


def test_what_was_published_stands_in_the_services(physician, draft):
    row = add(draft, physician)
    version = publish(draft, physician)
    attempts = [
        lambda: add(version, physician, text="Another."),
        lambda: rubric_criteria.change(criterion=row, by=physician, fields={"points": 1}),
        lambda: rubric_criteria.remove(criterion=row, by=physician),
        lambda: rubric_criteria.keep(criterion=row, by=physician, kept=False),
        lambda: rubric_criteria.move(criterion=row, by=physician, up=True),
        lambda: rubrics.set_guideline(version=version, by=physician, guideline="Other."),
        lambda: publish(version, physician),
        lambda: rubrics.discard(version=version, by=physician),
    ]
    for attempt in attempts:
        with pytest.raises(Refused, match="never changes"):
            attempt()


@pytest.mark.parametrize(
    "change",
    [
        {"guideline": "Other."},
        {"status": "writing"},
        {"status": "discarded"},
        {"origin": "generated"},
        {"source": {"model": "x"}},
        {"number": 7},
    ],
)
@pytest.mark.parametrize("status", ["published", "retired"])
def test_what_was_published_stands_in_the_database(change, status):
    version = make_rubric(status=status)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        RubricVersion.objects.filter(pk=version.pk).update(**change)
    version.refresh_from_db()
    assert version.status == status


def test_a_replaced_version_is_never_in_force_again():
    version = make_rubric(status="retired")
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        RubricVersion.objects.filter(pk=version.pk).update(status="published")


def test_a_purged_case_takes_its_own_rubric_along():
    admin = make_user(Role.ADMIN)
    case = make_case(site=admin.site)
    version = make_rubric(scope=RubricScope.CASE, case=case)
    item = make_item(make_queue(rubric_version=version), consultation=make_consultation(case=case))
    make_annotation(item, verdicts={"ecg": "met"})
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        make_rubric().criteria.all().delete()
    cases.delete(case=case, by=admin)
    removed = cases.purge(case=case, by=admin)
    assert removed["RubricCriterion"] == 3
    assert not RubricVersion.objects.filter(pk=version.pk).exists()


def test_what_cannot_be_published(physician, draft):
    with pytest.raises(Refused, match="no criterion"):
        publish(draft, physician)
    row = add(draft, physician, points=0)
    with pytest.raises(Refused, match="points: Orders"):
        publish(draft, physician)
    rubric_criteria.change(criterion=row, by=physician, fields={"points": -8, "text": "Correctly orders an ECG."})
    with pytest.raises(Refused, match="check: 2"):
        publish(draft, physician)
    published = publish(draft, physician, read=True)
    entry = AuditEntry.objects.get(action="rubric.published")
    assert entry.data["lints"] == ["penalty_like_virtue", "penalty_only"]
    assert published.published_by == physician


def test_a_models_draft_is_nothing_until_a_physician_has_read_it(physician, draft):
    add(draft, physician)
    RubricVersion.objects.filter(pk=draft.pk).update(origin=RubricOrigin.GENERATED)
    with pytest.raises(Refused, match="No physician wrote"):
        publish(draft, physician)
    assert publish(draft, physician, read=True).published_by == physician


def test_an_administrator_writes_and_a_physician_publishes(draft):
    admin = make_user(Role.ADMIN)
    add(draft, admin)
    with pytest.raises(Refused):
        publish(draft, admin)
    assert publish(draft, make_user(Role.ADJUDICATOR)).status == "published"


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RESEARCHER])
def test_others_make_nothing(role, draft):
    other = make_user(role)
    with pytest.raises(Refused):
        rubrics.create(by=other, title="Mine", scope=RubricScope.GENERAL)
    with pytest.raises(Refused):
        add(draft, other)
    with pytest.raises(Refused):
        rubrics.new_version(rubric=make_rubric().rubric, by=other)


def test_another_sites_physician_changes_nothing(physician, draft):
    row = add(draft, physician)
    stranger = make_user(Role.ADJUDICATOR, site=make_site())
    for attempt in (
        lambda: add(draft, stranger),
        lambda: rubric_criteria.remove(criterion=row, by=stranger),
        lambda: rubrics.set_guideline(version=draft, by=stranger, guideline="x"),
        lambda: publish(draft, stranger),
        lambda: rubrics.discard(version=draft, by=stranger),
    ):
        with pytest.raises(Refused):
            attempt()
    assert draft.criteria.count() == 1


def test_one_version_is_written_at_a_time(physician, draft):
    add(draft, physician)
    with pytest.raises(Refused, match="being written"):
        rubrics.new_version(rubric=draft.rubric, by=physician)
    rubrics.discard(version=draft, by=physician)
    with pytest.raises(Refused, match="no published version"):
        rubrics.new_version(rubric=draft.rubric, by=physician)
    stranger = make_user(Role.ANNOTATOR, site=make_site())
    with pytest.raises(Refused):
        rubrics.new_version(rubric=make_rubric().rubric, by=stranger)


def test_a_scope_names_what_it_is_about(physician):
    elsewhere = make_case(CaseKind.VIRTUAL, site=make_site())
    for scope, about in [
        (RubricScope.CASE, {}),
        (RubricScope.CASE, {"case": elsewhere}),
        (RubricScope.COMPLAINT, {"group": "no-such-group"}),
        ("everything", {}),
    ]:
        with pytest.raises(Refused, match="Choose"):
            rubrics.create(by=physician, title="T", scope=scope, **about)
    with pytest.raises(Refused, match="title"):
        rubrics.create(by=physician, title=" ", scope=RubricScope.GENERAL)


def test_the_rubric_of_a_consultation(django_assert_num_queries):
    case = make_case(complaint="Cough for three days")
    consultation = make_consultation(case=case)
    find = rubrics.for_consultation
    assert find(consultation=consultation) is None
    make_rubric(site=make_site())
    make_rubric(status=RubricStatus.WRITING)
    make_rubric(scope=RubricScope.COMPLAINT, complaint_group="headache")
    assert find(consultation=consultation) is None
    general = make_rubric()
    assert find(consultation=consultation) == general
    cough = make_rubric(scope=RubricScope.COMPLAINT, complaint_group="cough")
    assert find(consultation=consultation) == cough
    own = make_rubric(scope=RubricScope.CASE, case=case)
    assert find(consultation=consultation) == own
    assert find(consultation=make_consultation()) in (general, cough)
    queue = make_queue(rubric_version=general)
    assert find(consultation=consultation, queue=queue) == general
    many = [consultation, *(make_consultation(case=case) for _ in range(3))]
    with django_assert_num_queries(1):
        assert set(rubrics.for_consultations(consultations=many).values()) == {own}


def test_a_panel_of_one_flow_only(physician):
    version = rubrics.create(by=physician, title="P", scope=RubricScope.GENERAL, flow=RubricFlow.PANEL)
    assert version.rubric.flow == "panel"
    with pytest.raises(Refused, match="turn"):
        add(version, physician)
    with pytest.raises(Refused, match="weigher"):
        publish(version, physician)
    assert not RubricCriterion.objects.filter(version=version).exists()
