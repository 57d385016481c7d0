"""Pages of gates, their change records and signatures."""

from django.urls import path

from training import views_gates

ONE = "gates/<int:gate_id>/"

urlpatterns = [
    path("gates/", views_gates.gate_list, name="gate_list"),
    path("gates/start/", views_gates.gate_start, name="gate_start"),
    path(ONE, views_gates.gate_detail, name="gate_detail"),
    path(ONE + "again/", views_gates.gate_again, name="gate_again"),
    path(ONE + "record/", views_gates.gate_record, name="gate_record"),
    path(ONE + "sign/", views_gates.gate_sign, name="gate_sign"),
]
