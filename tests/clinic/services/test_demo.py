"""The demo hospital: complete after one call, unchanged after two, refused in production."""

import pytest

from clinic.demo import FOLDER, BadDemoCase, load_case, load_cases
from clinic.models import AuditEntry, Case, CaseKind, Role, Site, User
from clinic.services import cases, demo
from clinic.services.errors import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_agent_in_the_environment(settings):
    settings.POLICY_URL = ""


def test_every_role_has_a_login_that_works():
    demo.seed()
    people = User.objects.filter(site__slug=demo.SITE)
    assert {person.role for person in people} == set(Role.values)
    assert all(person.check_password(demo.password_of(person.username)) and person.is_demo for person in people)
    assert User.objects.get(username=demo.CLINICIAN).check_password(demo.PASSWORD)


def test_all_cases_are_there_and_marked_virtual():
    assert demo.seed().cases == len(list(FOLDER.glob("*.yaml"))) == Case.objects.count()
    assert set(Case.objects.values_list("kind", "origin")) == {(CaseKind.VIRTUAL, "demo")}


def test_a_second_time_changes_nothing():
    demo.seed()
    before = (list(Case.objects.order_by("pk").values()), list(User.objects.order_by("pk").values()))
    entries = AuditEntry.objects.count()
    demo.seed()
    assert (list(Case.objects.order_by("pk").values()), list(User.objects.order_by("pk").values())) == before
    assert AuditEntry.objects.count() == entries


def test_a_changed_file_updates_its_case():
    demo.seed()
    case = Case.objects.first()
    Case.objects.filter(pk=case.pk).update(title="Old title", content_hash="old")
    demo.seed()
    case.refresh_from_db()
    assert case.title != "Old title"


def test_what_was_deleted_or_changed_here_stays_so():
    demo.seed()
    case = Case.objects.first()
    cases.delete(case=case, by=None)
    User.objects.filter(username=demo.CLINICIAN).update(is_active=False)
    demo.seed()
    case.refresh_from_db()
    assert case.deleted_at
    assert not User.objects.get(username=demo.CLINICIAN).is_active


@pytest.mark.parametrize(("name", "value"), [("PRODUCTION", True), ("DEMO_LOGINS", False)])
def test_it_is_refused_where_logins_must_not_be_published(settings, name, value):
    setattr(settings, name, value)
    with pytest.raises(Refused):
        demo.seed()
    assert not Site.objects.exists()


def test_loaded_cases_carry_flags_from_their_reference_ranges():
    values = [value for record in load_cases() for result in record.results for value in result.values]
    assert {value.flag for value in values} == {"", "L", "H"}
    high = [value for value in values if value.high is not None and value.value > value.high]
    assert high
    assert all(value.flag == "H" for value in high)


GOOD = """
key: demo:x
title: A
age_years: 3
sex: female
complaint: B
history: {hpi: C}
answer: D
group: E
in_scope: true
results: [{examination: F, text: G}]
"""


def test_a_small_case_loads(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    assert load_case(tmp_path / "x.yaml").extra["title"] == "A"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key: demo:x", "key: other:x"),
        ("sex: female", "sex: f"),
        ("age_years: 3", "age_years: 300"),
        ("history: {hpi: C}", "history: {hpi: C, humour: sanguine}"),
        ("answer: D", ""),
        ("results: [{", "results: [{values: [{code: abc, name: a, value: 1, unit: g}], "),
        ("title: A", "title: [unclosed"),
    ],
)
def test_a_bad_file_names_itself(tmp_path, old, new):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadDemoCase, match=r"bad\.yaml"):
        load_case(path)
