"""Pages of evaluations."""

from django.urls import path

from training import views

app_name = "training"
ONE = "evaluations/<int:evaluation_id>/"

urlpatterns = [
    path("evaluations/", views.evaluation_list, name="evaluation_list"),
    path(ONE, views.evaluation_detail, name="evaluation_detail"),
    path(ONE + "cases/<int:number>/", views.evaluation_episode, name="evaluation_episode"),
]
