"""Webhooks: addresses of a site that are told when an annotation is in; what is to be sent is a row first."""

from __future__ import annotations

from django.db import models


class Webhook(models.Model):
    """Where to, and the secret that signs what is sent there."""

    site = models.ForeignKey("clinic.Site", on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=64)
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "url"], name="webhook_once_for_each_address")]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One message to one address, tried until it is taken or given up; its id lets the receiver drop doubles."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=40)
    payload = models.JSONField(default=dict)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="Empty: delivered or given up.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"])]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
