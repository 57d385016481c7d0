"""Pages of evaluations."""

from django.urls import path

from training import views

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
]
