"""Finds and makes sites."""

from __future__ import annotations

from django.db import transaction
from django.utils.text import slugify

from clinic.models import Site
from clinic.services import audit
from clinic.services.errors import Refused


def find(*, slug: str | None = None) -> Site:
    """The site of that short name, or without one the only site there is."""
    if slug:
        found = Site.objects.filter(slug=slug).first()
        if found is None:
            raise Refused(f"There is no site {slug}; {_known()}")
        return found
    sites = list(Site.objects.all()[:2])
    if len(sites) != 1:
        raise Refused(f"Name the site; {_known()}" if sites else "There is no site yet; make one first.")
    return sites[0]


@transaction.atomic
def find_or_make(*, name: str) -> Site:
    """The site of that name or short name, made if there is none; only a command on the server makes sites."""
    slug = slugify(name)
    if not slug:
        raise Refused("A site needs a name with at least one letter or digit.")
    found = Site.objects.filter(slug=slug).first()
    if found is None:
        found = Site.objects.create(name=name, slug=slug)
        audit.record(by=None, action="site.created", noun="site", target=slug, site=found)
    return found


def _known() -> str:
    return f"known are: {', '.join(Site.objects.values_list('slug', flat=True)) or 'none'}."
