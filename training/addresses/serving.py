"""Pages of deployments, and a version's source attributes."""

from django.urls import path

from training import views_serving

ONE = "deployments/<str:version>/"

urlpatterns = [
    path("deployments/", views_serving.deployment_list, name="deployment_list"),
    path("deployments/rollback/", views_serving.rollback, name="rollback"),
    path(ONE + "promote/", views_serving.promote, name="promote"),
    path(ONE + "canary/", views_serving.canary, name="canary"),
    path(ONE + "shadow/", views_serving.shadow, name="shadow"),
    path(ONE + "withdraw/", views_serving.withdraw, name="withdraw"),
    path("versions/<str:version>/attributes/", views_serving.source_attributes, name="source_attributes"),
]
