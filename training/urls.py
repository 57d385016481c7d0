"""Pages of evaluations, of the judge as an instrument, and of the training room, a module per part."""

from django.urls import path

from training import views, views_instrument
from training.addresses import gates, runs, serving, snapshots

app_name = "training"
ONE = "evaluations/<int:evaluation_id>/"

urlpatterns = [
    path("evaluations/", views.evaluation_list, name="evaluation_list"),
    path("evaluations/compare/", views.evaluation_compare, name="evaluation_compare"),
    path(
        "evaluations/<int:candidate>/beside/<int:baseline>/cases/<int:number>/",
        views.evaluation_beside,
        name="evaluation_beside",
    ),
    path(ONE, views.evaluation_detail, name="evaluation_detail"),
    path(ONE + "cases/<int:number>/", views.evaluation_episode, name="evaluation_episode"),
    path("judge/", views_instrument.judge, name="judge"),
    path("judge/start/", views_instrument.judge_start, name="judge_start"),
    path("judge/rubrics/<uuid:version_id>/", views_instrument.judge_version, name="judge_version"),
    *runs.urlpatterns,
    *snapshots.urlpatterns,
    *gates.urlpatterns,
    *serving.urlpatterns,
]
