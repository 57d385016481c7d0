"""Agreement and adjudication."""

from __future__ import annotations

from django.urls import path

from clinic.views import agreement, agreement_items

ITEM = "annotation/agreement/items/<uuid:item_id>/"

urlpatterns = [
    path("annotation/agreement/", agreement.agreement, name="agreement"),
    path("annotation/queues/<uuid:queue_id>/agreement/", agreement.agreement_queue, name="agreement_queue"),
    path(ITEM, agreement_items.agreement_item, name="agreement_item"),
    path(ITEM + "adjudicate/", agreement_items.agreement_adjudicate, name="agreement_adjudicate"),
]
