"""Who may open which page; what they may see on it is the querysets' business."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from clinic.models import User

View = Callable[..., HttpResponseBase]


class SignedIn(HttpRequest):
    """A request after LoginRequiredMiddleware: its user is a person, never anonymous."""

    user: User
    htmx: Any


def admins_only(view: View) -> View:
    @wraps(view)
    def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_site_admin:
            raise PermissionDenied("Only an administrator of your site opens this page.")
        return view(request, *args, **kwargs)

    return guarded


def _only(allows: Callable[[User], bool], sentence: str) -> Callable[[View], View]:
    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not allows(request.user):
                raise PermissionDenied(sentence)
            return view(request, *args, **kwargs)

        return guarded

    return guard


annotation_only = _only(
    lambda user: user.may_annotate or user.may_run_queues, "Only those who annotate open this page."
)
annotators_only = _only(lambda user: user.may_annotate, "Only annotators and adjudicators judge consultations.")
queue_keepers_only = _only(lambda user: user.may_run_queues, "Only adjudicators and administrators open this page.")
training_only = _only(
    lambda user: user.may_see_training, "Only adjudicators, researchers and administrators open the training room."
)
adjudicators_only = _only(lambda user: user.may_adjudicate, "Only an adjudicating physician may do this.")

__all__ = [
    "HttpResponse",
    "SignedIn",
    "adjudicators_only",
    "admins_only",
    "annotation_only",
    "annotators_only",
    "queue_keepers_only",
    "training_only",
]
