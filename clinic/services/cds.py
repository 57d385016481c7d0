"""Registers the outside systems that may call by CDS Hooks."""

from __future__ import annotations

import json

from django.db import IntegrityError, transaction
from jwt import PyJWKSet, PyJWTError

from clinic.models import CdsClient, User
from clinic.services import audit
from clinic.services.errors import Refused

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")
"""Members of a JSON Web Key that only its owner may have."""


def register(*, by: User, name: str, issuer: str, keys: str) -> CdsClient:
    """A client of the administrator's own site, with its public keys as a JSON Web Key Set."""
    site = by.site
    if not by.is_site_admin or site is None:
        raise Refused("Only an administrator registers outside systems.")
    if not name.strip() or not issuer.strip():
        raise Refused("Name the system, and give the issuer that its tokens carry.")
    document = _public_keys(keys)
    try:
        with transaction.atomic():
            client = CdsClient.objects.create(
                site=site, name=name.strip()[:160], issuer=issuer.strip()[:300], keys=document, created_by=by
            )
            audit.record(
                by=by, action="cds_client.registered", noun="cds_client", target=str(client.pk), site=site,
                data={"issuer": client.issuer},
            )  # fmt: skip
    except IntegrityError as error:
        raise Refused(f"{issuer} is registered already; deactivate that one, or use another issuer.") from error
    return client


def switch(*, by: User, client: CdsClient, active: bool) -> None:
    """Let it call again, or no longer."""
    if not by.is_site_admin or by.site_id != client.site_id:
        raise Refused("Only an administrator of its site switches an outside system.")
    with transaction.atomic():
        CdsClient.objects.filter(pk=client.pk).update(active=active)
        what = "activated" if active else "deactivated"
        audit.record(by=by, action=f"cds_client.{what}", noun="cds_client", target=str(client.pk), site=client.site)


def _public_keys(keys: str) -> dict[str, object]:
    try:
        document = json.loads(keys)
        PyJWKSet.from_dict(document)
    except (ValueError, TypeError, AttributeError, PyJWTError) as error:
        raise Refused("The keys are not a JSON Web Key Set of public keys. Nothing was registered.") from error
    if any(member in key for key in document["keys"] for member in PRIVATE):
        raise Refused("One of the keys is private or symmetric. Register public keys only; treat that key as lost.")
    return dict(document)
