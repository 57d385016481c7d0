"""Pages of runs and of the schedules that begin them."""

from django.urls import path

from training import views_runs, views_schedules

ONE = "runs/<uuid:run_id>/"

urlpatterns = [
    path("runs/", views_runs.run_list, name="run_list"),
    path("runs/new/", views_runs.run_new, name="run_new"),
    path("runs/schedules/", views_schedules.schedule_list, name="schedule_list"),
    path("runs/schedules/new/", views_schedules.schedule_edit, name="schedule_new"),
    path("runs/schedules/<int:schedule_id>/", views_schedules.schedule_edit, name="schedule_edit"),
    path(ONE, views_runs.run_detail, name="run_detail"),
    path(ONE + "curves/", views_runs.run_curves, name="run_curves"),
    path(ONE + "cancel/", views_runs.run_cancel, name="run_cancel"),
    path(ONE + "resume/", views_runs.run_resume, name="run_resume"),
    path(ONE + "clone/", views_runs.run_clone, name="run_clone"),
]
