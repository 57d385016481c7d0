"""Queues and their items."""

from __future__ import annotations

from django.urls import path

from clinic.views import queues, queues_items, queues_new

QUEUE, ITEM = "annotation/queues/<uuid:queue_id>/", "annotation/items/<uuid:item_id>/"
JUDGEMENT = "annotation/judgements/<uuid:annotation_id>/"

urlpatterns = [
    path("annotation/", queues.queue_list, name="queue_list"),
    path("annotation/queues/new/", queues_new.queue_new, name="queue_new"),
    path(QUEUE, queues.queue, name="queue"),
    path(QUEUE + "close/", queues.queue_close, name="queue_close"),
    path(ITEM, queues_items.queue_item, name="queue_item"),
    path(ITEM + "assign/", queues_items.queue_assign, name="queue_assign"),
    path(JUDGEMENT + "reassign/", queues_items.queue_reassign, name="queue_reassign"),
    path(JUDGEMENT + "send-back/", queues_items.queue_send_back, name="queue_send_back"),
]
