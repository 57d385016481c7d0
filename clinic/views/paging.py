"""One page of a list, its total counted in the same query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Window
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

SIZE = 25


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Any]
    number: int
    total: int
    query: str
    """The other parameters of the address, to be kept by the links."""

    @property
    def first(self) -> int:
        return (self.number - 1) * SIZE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.last < self.total else None

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None


def page_of(rows: QuerySet[Any], request: HttpRequest) -> Page:
    """The page that the address asks for; a number that is none is the first."""
    asked = request.GET.get("page", "1")
    number = min(max(int(asked), 1), 10_000) if asked.isdecimal() and len(asked) < 6 else 1
    counted = rows.annotate(total_rows=Window(Count("pk")))
    found = list(counted[(number - 1) * SIZE : number * SIZE])
    rest = request.GET.copy()
    rest.pop("page", None)
    return Page(found, number, found[0].total_rows if found else 0, rest.urlencode())


def render_list(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or only its rows for htmx; a page brought back from history is always whole."""
    htmx: Any = getattr(request, "htmx", None)
    part = htmx and not htmx.history_restore_request
    response = render(request, f"{template}#rows" if part else template, context)
    # Or a browser's cache would show the rows alone as the page.
    patch_vary_headers(response, ["HX-Request"])
    return response
