"""CDS Hooks: signed calls only, cards from rows, nothing generated, feedback kept."""

import json
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.urls import reverse
from jwt.algorithms import ECAlgorithm

from clinic.models import CaseKind, CdsCard, LedgerEntry, LedgerOrigin, RedFlagAlert, Role
from clinic.services import cds
from clinic.services.errors import Refused
from tests.clinic import factories as make

KEY = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
ISSUER = "https://ehr.example"


def jwks(key=KEY) -> str:
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [{**public, "kid": "k1", "alg": "ES384", "use": "sig"}]})


@pytest.fixture
def admin(db):
    return make.make_user(Role.ADMIN)


@pytest.fixture
def ehr(admin):
    return cds.register(by=admin, name="The EHR", issuer=ISSUER, keys=jwks())


def address(name="cds_service") -> str:
    return "http://testserver" + reverse(name, args=["rounds-patient-view"])


def token(*, key=KEY, algorithm="ES384", kid="k1", **changes) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": address(), "iat": now, "exp": now + 300, "jti": str(uuid.uuid4()), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def body(patient="MRN-1", **more) -> dict:
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"patientId": patient, "userId": "x"},
        **more,
    }


def call(client, bearer: str, content: dict | str, name="cds_service"):
    content = content if isinstance(content, str) else json.dumps(content)
    return client.post(
        reverse(name, args=["rounds-patient-view"]), content, content_type="application/json",
        headers={"Authorization": f"Bearer {bearer}"},
    )  # fmt: skip


def test_discovery_is_open_to_all(client, db):
    answer = client.get(reverse("cds_discovery"))
    (service,) = answer.json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", "rounds-patient-view")
    assert answer["Access-Control-Allow-Origin"] == "*"


def test_a_patient_without_a_consultation_gets_a_way_in(client, ehr):
    (card,) = call(client, token(), body()).json()["cards"]
    assert card["indicator"] == "info"
    assert card["links"][0]["url"].endswith(reverse("case_new"))
    assert len(card["summary"]) < 140


@pytest.fixture
def open_consultation(ehr):
    patient = make.make_patient(site=ehr.site, identifier="MRN-1")
    held = make.make_consultation(case=make.make_case(kind=CaseKind.PATIENT, site=ehr.site, patient=patient))
    LedgerEntry.objects.create(consultation=held, key="pe", name="Pulmonary *embolism*", origin=LedgerOrigin.AGENT)
    return held


@pytest.mark.parametrize(
    "given",
    [
        body("MRN-1"),
        body("Patient/9", prefetch={"patient": {"resourceType": "Patient", "identifier": [{"value": "MRN-1"}]}}),
    ],
)
def test_an_open_consultation_is_linked_with_what_is_open(client, open_consultation, given):
    (card,) = call(client, token(), given).json()["cards"]
    assert card["links"][0]["url"].endswith(reverse("consultation", args=[open_consultation.pk]))
    assert card["indicator"] == "warning"
    assert "Pulmonary \\*embolism\\*" in card["detail"]
    assert card["overrideReasons"]


def test_an_identifier_outweighs_the_caller_s_own_id(client, open_consultation):
    """Their Patient/MRN-1 is somebody else: the record number says who it is."""
    stranger = {"resourceType": "Patient", "identifier": [{"value": "MRN-77"}]}
    (card,) = call(client, token(), body("MRN-1", prefetch={"patient": stranger})).json()["cards"]
    assert card["indicator"] == "info"


def test_two_matching_patients_are_nobody(client, open_consultation):
    make.make_patient(site=open_consultation.site, identifier="MRN-2")
    both = {"resourceType": "Patient", "identifier": [{"value": "MRN-1"}, {"value": "MRN-2"}]}
    (card,) = call(client, token(), body(prefetch={"patient": both})).json()["cards"]
    assert card["indicator"] == "info"


def test_a_red_flag_makes_it_critical(client, open_consultation):
    RedFlagAlert.objects.create(consultation=open_consultation, flag="shock", says="Systolic pressure below 90 mmHg")
    (card,) = call(client, token(), body()).json()["cards"]
    assert card["indicator"] == "critical"


def test_another_site_s_patient_is_nobody_here(client, ehr):
    other = make.make_site()
    patient = make.make_patient(site=other, identifier="MRN-1")
    make.make_consultation(case=make.make_case(kind=CaseKind.PATIENT, site=other, patient=patient))
    (card,) = call(client, token(), body()).json()["cards"]
    assert card["indicator"] == "info"


def test_the_agent_is_never_asked_and_the_queries_are_few(
    client, open_consultation, monkeypatch, django_assert_max_num_queries
):
    def never(*_, **__):
        raise AssertionError("a card must not run the agent")

    monkeypatch.setattr("agents.client.PolicyClient.stream", never)
    monkeypatch.setattr("clinic.services.dispatch.produce", never)
    with django_assert_max_num_queries(6):
        assert call(client, token(), body()).status_code == 200


@pytest.mark.parametrize(
    ("bearer", "says"),
    [
        (lambda: "", "bearer token is required"),
        (lambda: "not.a.token", "cannot be read"),
        (lambda: token(key=OTHER), "not valid"),
        (lambda: token(kid="other"), "not registered"),
        (lambda: token(iss="https://elsewhere.example"), "issuer is not registered"),
        (lambda: token(aud="http://testserver/other"), "not valid"),
        (lambda: token(exp=int(time.time()) - 120), "not valid"),
        (lambda: token(exp=int(time.time()) + 86_400), "lives longer"),
        (lambda: token(jti=None), "not valid"),
        (lambda: jwt.encode({"iss": ISSUER}, "x" * 40, algorithm="HS256", headers={"kid": "k1"}), "not valid"),
    ],
)
def test_who_cannot_prove_it_is_refused_and_learns_nothing(client, open_consultation, bearer, says):
    answer = call(client, bearer(), body())
    assert answer.status_code == 401
    assert says in answer.json()["error"]
    assert "cards" not in answer.json()
    assert not CdsCard.objects.exists()


def test_a_token_is_good_once(client, ehr):
    bearer = token()
    assert call(client, bearer, body()).status_code == 200
    assert call(client, bearer, body()).status_code == 401


def test_a_deactivated_system_is_refused(client, ehr, admin):
    cds.switch(by=admin, client=ehr, active=False)
    assert call(client, token(), body()).status_code == 401


@pytest.mark.parametrize(
    "content", ["{", "[]", '"x"', '{"hook": "order-sign", "context": {}}', '{"hook": "patient-view"}']
)
def test_a_bad_request_is_told_what_is_wrong(client, ehr, content):
    answer = call(client, token(), content)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_feedback_is_kept_for_the_client_s_own_cards(client, ehr):
    (card,) = call(client, token(), body()).json()["cards"]
    bearer = token(aud=address("cds_feedback"))
    given = {
        "feedback": [
            {"card": card["uuid"], "outcome": "overridden"},
            {"card": str(uuid.uuid4()), "outcome": "accepted"},
            {"card": "x"},
        ]
    }
    assert call(client, bearer, given, name="cds_feedback").json() == {"known": 1}
    assert CdsCard.objects.get().outcome == "overridden"


@pytest.mark.parametrize("keys", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'])
def test_only_public_keys_are_registered(admin, keys):
    with pytest.raises(Refused):
        cds.register(by=admin, name="X", issuer="y", keys=keys)


def test_a_private_key_is_refused(admin):
    private = json.loads(ECAlgorithm.to_jwk(KEY))
    with pytest.raises(Refused, match="private"):
        cds.register(by=admin, name="X", issuer="y", keys=json.dumps({"keys": [{**private, "kid": "k1"}]}))


def test_the_page_is_the_administrator_s(client, admin, ehr):
    client.force_login(admin, backend="clinic.accounts.ClinicBackend")
    assert ISSUER in client.get(reverse("integrations")).content.decode()
    page = client.post(reverse("integrations"), {"name": "Again", "issuer": ISSUER, "keys": jwks()})
    assert page.status_code == 422
    assert "registered already" in page.content.decode()
    client.force_login(make.make_user(), backend="clinic.accounts.ClinicBackend")
    assert client.get(reverse("integrations")).status_code == 403
