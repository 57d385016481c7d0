"""Pages of snapshots, lineage, drift and alarms."""

from django.urls import path

from training import views_drift, views_snapshots

ONE = "snapshots/<uuid:snapshot_id>/"

urlpatterns = [
    path("snapshots/", views_snapshots.snapshot_list, name="snapshot_list"),
    path("snapshots/make/", views_snapshots.snapshot_make, name="snapshot_make"),
    path("snapshots/compare/", views_snapshots.snapshot_diff, name="snapshot_diff"),
    path(ONE, views_snapshots.snapshot_detail, name="snapshot_detail"),
    path(ONE + "rebuild/", views_snapshots.snapshot_rebuild, name="snapshot_rebuild"),
    path("lineage/", views_snapshots.lineage_case, name="lineage_case"),
    path("drift/", views_drift.drift_page, name="drift"),
    path("alarms/", views_drift.alarm_list, name="alarm_list"),
    path("alarms/<int:alarm_id>/clear/", views_drift.alarm_clear, name="alarm_clear"),
]
