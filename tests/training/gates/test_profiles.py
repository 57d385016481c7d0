"""Profiles are files, checked when read, and their digest goes with every gate."""

import hashlib

import pytest
import yaml

from clinic.services.errors import Refused
from training.gates import profiles
from training.gates.measures import MEASURES, TITLES, title
from training.gates.profiles import ProfileError


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    shipped = yaml.safe_load((profiles.Path(profiles.__file__).parent / "profiles" / "standard.yaml").read_bytes())

    def written(name="standard", **changes):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**shipped, "name": name, **changes}))
        return profiles.load(name)

    return written


@pytest.mark.parametrize("name", profiles.names())
def test_shipped_profiles_name_one_primary_and_known_checks(name):
    profile = profiles.load(name)
    assert profile.at_least >= 200
    assert [c.name for c in profile.checks if c.kind == "primary"] == [profile.primary]
    assert all(title(check.name) for check in profile.checks)
    assert {check.name for check in profile.checks} <= MEASURES.keys() | TITLES.keys()
    assert profile.digest == hashlib.sha256((profiles.FOLDER / f"{name}.yaml").read_bytes()).hexdigest()


def test_the_strict_profile_lets_only_what_needs_other_servers_be_missing():
    profile = profiles.load("standard")
    assert {check.name for check in profile.checks if check.may_be_missing} == {"divergence", "judge", "physicians"}
    assert profile.check("cant_miss").kind == profile.check("red_flags").kind == "non_inferior"
    assert not profile.demonstration


def test_production_refuses_the_demonstration(settings):
    settings.DEMO_LOGINS = False
    assert [profile.name for profile in profiles.allowed()] == ["standard"]
    settings.DEMO_LOGINS = True
    assert [profile.name for profile in profiles.allowed()] == ["standard", "demo"]


def test_an_unknown_profile_is_refused():
    with pytest.raises(Refused, match="no gate profile"):
        profiles.load("../standard")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"at_least": 100, "cases": 100}, "200 paired"),
        ({"at_least": 400}, "no sample"),
        ({"at_least": 700}, "more than cases"),
        ({"checks": {"accuracy": {"kind": "informative"}}}, "twice"),
        ({"checks": {"rubric": {"kind": "non_inferior"}}}, "margin above 0"),
        ({"checks": {"sentinel": {"kind": "non_inferior", "margin": 0.1}}}, "paired"),
        ({"checks": {"sentinel": {"kind": "required"}}}, "at_most"),
        ({"checks": {"rubric": {"kind": "nice"}}}, "non_inferior, required or informative"),
        ({"checks": {"rubric": {"kind": "informative", "colour": 1}}}, "unknown setting 'colour'"),
    ],
)
def test_a_file_that_would_prove_nothing_is_no_profile(write, changes, says):
    with pytest.raises(ProfileError, match=says):
        write(**changes)


def test_another_margin_is_another_digest(write):
    assert write().digest != write(checks={"rubric": {"kind": "non_inferior", "margin": 0.4}}).digest
