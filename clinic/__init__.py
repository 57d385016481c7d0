"""The Django project and web application: consultations, model versions, people, audit."""

from clinic.celery import app as celery_app

__all__ = ["celery_app"]
