"""CDS Hooks 2.0 from the inside: who calls, what a card says. Cards are read from rows; nothing is generated inline."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from django.core.cache import caches
from django.db.models import Count, Prefetch, Q
from django.utils import timezone
from jwt import PyJWKSet, PyJWTError

from clinic.models import (
    CaseKind,
    CdsCard,
    CdsClient,
    Consultation,
    ConsultationStatus,
    LedgerEntry,
    LedgerStatus,
    Patient,
)

SERVICE = "rounds-patient-view"
ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"]
"""Asymmetric only: a shared secret, or "none", would let anybody sign."""
LONGEST_LIFE = 600
"""Seconds a token may live; CDS Hooks recommends five minutes."""
LEEWAY = 30
SUMMARY_LENGTH = 140
DISCOVERY = {
    "services": [
        {
            "hook": "patient-view",
            "id": SERVICE,
            "title": "Open Rounds consultation",
            "description": "Says whether a diagnostic consultation is open for this patient, what must still be "
            "excluded, and links to it. It never runs the agent.",
            "prefetch": {"patient": "Patient/{{context.patientId}}"},
        }
    ]
}
OVERRIDES = [
    {"code": "not-relevant", "system": "urn:rounds:override", "display": "Not relevant now"},
    {"code": "already-known", "system": "urn:rounds:override", "display": "Already known"},
    {"code": "disagree", "system": "urn:rounds:override", "display": "I disagree"},
]


class Unauthorised(Exception):
    """The caller is not who it says; `str()` is a sentence without anything secret."""


@dataclass(frozen=True, slots=True)
class Links:
    """Absolute addresses that a card leads to."""

    consultation: str
    """With {id} where the consultation's id stands."""
    intake: str
    source: str


def caller(authorization: str, *, audience: str) -> CdsClient:
    """The registered client whose signed, unexpired, unrepeated token this is; raises Unauthorised."""
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not token:
        raise Unauthorised("A signed bearer token is required.")
    try:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
    except PyJWTError as error:
        raise Unauthorised("The token cannot be read.") from error
    client = (
        CdsClient.objects.filter(issuer=str(issuer).replace("\0", "")[:300], active=True).select_related("site").first()
    )
    if client is None:
        raise Unauthorised("The issuer is not registered here.")
    claims = _claims(token, header, client, audience)
    _only_once(client, claims)
    return client


def _claims(token: str, header: dict[str, Any], client: CdsClient, audience: str) -> dict[str, Any]:
    try:
        keys = {key.key_id: key for key in PyJWKSet.from_dict(client.keys).keys}
        key = keys.get(header.get("kid")) or (
            next(iter(keys.values())) if len(keys) == 1 and "kid" not in header else None
        )
        if key is None:
            raise Unauthorised("The token is signed with a key that is not registered.")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=ALGORITHMS,
            audience=audience,
            leeway=LEEWAY,
            options={"require": ["iss", "aud", "exp", "iat", "jti"]},
        )
    except PyJWTError as error:
        raise Unauthorised(f"The token is not valid: {error}.") from error
    if claims["exp"] - claims["iat"] > LONGEST_LIFE:
        raise Unauthorised(f"The token lives longer than {LONGEST_LIFE} seconds.")
    return claims


def _only_once(client: CdsClient, claims: dict[str, Any]) -> None:
    key = f"cds-jti:{client.pk}:{uuid.uuid5(uuid.NAMESPACE_URL, str(claims['jti']))}"
    if not caches["shared"].add(key, 1, timeout=LONGEST_LIFE + 2 * LEEWAY):
        raise Unauthorised("The token was used before.")


def cards(*, client: CdsClient, body: dict[str, Any], links: Links) -> list[dict[str, Any]]:
    """At most one card. A patient whom this site does not know gets a link to begin, nothing else."""
    patient = _patient(client, body)
    consultation = _open_consultation(patient) if patient else None
    if consultation is None:
        begin = "No Rounds consultation is open for this patient."
        return [_card(client, None, "info", begin, "Start one in Rounds", links.intake, links)]
    waiting = [entry.name for entry in consultation.ledger.all()]
    raised = int(getattr(consultation, "raised", 0))
    summary = _summary(waiting, raised)
    indicator = "critical" if raised else "warning" if waiting else "info"
    address = links.consultation.format(id=consultation.pk)
    card = _card(client, consultation, indicator, summary, "Open the consultation", address, links)
    if waiting:
        card["detail"] = "Not excluded yet:\n" + "\n".join(f"- {_plain(name)}" for name in waiting)
    return [card]


def _patient(client: CdsClient, body: dict[str, Any]) -> Patient | None:
    """By the record numbers that the caller prefetched; by its own id only where it sent none.

    Two patients that match are nobody: a card about the wrong one is worse than none.
    """
    context, prefetch = body.get("context"), body.get("prefetch")
    resource = prefetch.get("patient") if isinstance(prefetch, dict) else None
    identifiers = resource.get("identifier") if isinstance(resource, dict) else None
    listed = identifiers if isinstance(identifiers, list) else []
    names = [str(one["value"]) for one in listed if isinstance(one, dict) and one.get("value")]
    if not names and isinstance(context, dict):
        names = [str(context.get("patientId") or "")]
    wanted = {name.replace("\0", "")[:64] for name in names} - {""}
    found = list(Patient.objects.filter(site=client.site, identifier__in=wanted)[:2])
    return found[0] if len(found) == 1 else None


def _open_consultation(patient: Patient) -> Consultation | None:
    still_open = LedgerEntry.objects.filter(status=LedgerStatus.OPEN)
    rows = Consultation.objects.filter(case__patient=patient, case__kind=CaseKind.PATIENT, case__deleted_at=None)
    unseen = Count("red_flags", filter=Q(red_flags__acknowledged_at=None))
    newest = rows.exclude(status=ConsultationStatus.CLOSED).annotate(raised=unseen).order_by("-created_at")
    return newest.prefetch_related(Prefetch("ledger", queryset=still_open)).first()


def _summary(waiting: list[str], raised: int) -> str:
    parts = ["A Rounds consultation is open"]
    if raised:
        parts.append(f"{raised} red flag{'s' if raised > 1 else ''} not acknowledged")
    if waiting:
        parts.append(f"{len(waiting)} can’t-miss not excluded")
    return "; ".join(parts)[: SUMMARY_LENGTH - 1] + "."


def _card(
    client: CdsClient,
    consultation: Consultation | None,
    indicator: str,
    summary: str,
    label: str,
    address: str,
    links: Links,
) -> dict[str, Any]:
    row = CdsCard.objects.create(client=client, consultation=consultation, service=SERVICE, summary=summary)
    return {
        "uuid": str(row.pk),
        "summary": summary,
        "indicator": indicator,
        "source": {"label": "Rounds, decision support", "url": links.source},
        "links": [{"label": label, "url": address, "type": "absolute"}],
        "overrideReasons": OVERRIDES,
    }


def _plain(name: str) -> str:
    """`detail` is Markdown at the caller: a name that a model wrote must not become markup there."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|~&" else sign for sign in " ".join(name.split()))


def report(*, client: CdsClient, feedback: list[dict[str, Any]]) -> int:
    """Keep what became of cards that this client was given; how many were known."""
    known = 0
    for one in feedback:
        outcome = str(one.get("outcome", ""))
        try:
            card = uuid.UUID(str(one.get("card")))
        except ValueError:
            continue
        if outcome in ("accepted", "overridden"):
            rows = CdsCard.objects.filter(client=client, pk=card)
            known += rows.update(outcome=outcome, feedback=one, reported_at=timezone.now())
    return known
