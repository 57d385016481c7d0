"""A snapshot by its id, or by the beginning of its digest."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from clinic.models import Site
from clinic.services.errors import Refused
from training.models import Snapshot

SENTENCES = {
    "none": "There is no snapshot {name}.",
    "many": "More than one snapshot begins with {name}; give more of its digest.",
}


def find(*, name: str, site: Site | None = None) -> Snapshot:
    """At `site`, or at any."""
    try:
        query = Q(pk=UUID(name))
    except ValueError:
        query = Q(digest__startswith=name)
    rows = Snapshot.objects.filter(query).select_related("site")
    found = list((rows.filter(site=site) if site else rows)[:2])
    if len(found) == 1:
        return found[0]
    raise Refused(SENTENCES["many" if found else "none"].format(name=name))
