"""Addresses of the sockets."""

from django.urls import path

from clinic.consumers import ConsultationConsumer

websocket_urlpatterns = [path("ws/consultations/<uuid:consultation>/", ConsultationConsumer.as_asgi())]
