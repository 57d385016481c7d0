"""Wiring only: every address of the product."""

from django.urls import include, path
from django.views.generic import RedirectView

from clinic.views import (
    account,
    audit,
    cases,
    consultation_actions,
    consultations,
    health,
    people,
    versions,
    virtual_clinic,
)

ROOM = "consultations/<uuid:consultation_id>/"
PERSON = "people/<int:person_id>/"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="case_list"), name="home"),
    path("cases/", cases.case_list, name="case_list"),
    path("cases/new/", cases.case_new, name="case_new"),
    path("cases/<uuid:case_id>/", cases.case_detail, name="case_detail"),
    path("consultations/", consultations.consultation_list, name="consultation_list"),
    path("consultations/new/", consultations.consultation_new, name="consultation_new"),
    path(ROOM, consultations.consultation, name="consultation"),
    path(ROOM + "panel/", consultations.consultation_panel, name="consultation_panel"),
    path(ROOM + "order/", consultation_actions.consultation_order, name="consultation_order"),
    path(ROOM + "answer/", consultation_actions.consultation_answer, name="consultation_answer"),
    path(ROOM + "ask/", consultation_actions.consultation_ask, name="consultation_ask"),
    path(ROOM + "call/", consultation_actions.consultation_call, name="consultation_call"),
    path(ROOM + "result/", consultation_actions.consultation_result, name="consultation_result"),
    path(ROOM + "say/", consultation_actions.consultation_say, name="consultation_say"),
    path(ROOM + "stop/", consultation_actions.consultation_stop, name="consultation_stop"),
    path(ROOM + "retry/", consultation_actions.consultation_retry, name="consultation_retry"),
    path(ROOM + "close/", consultation_actions.consultation_close, name="consultation_close"),
    path("versions/", versions.version_list, name="version_list"),
    path("versions/<str:version>/", versions.version_detail, name="version_detail"),
    path("people/", people.people, name="people"),
    path("people/invite/", people.people_invite, name="people_invite"),
    path("people/second-factor/", people.people_require_second_factor, name="people_require_second_factor"),
    path("people/invitations/<int:invitation_id>/withdraw/", people.people_withdraw, name="people_withdraw"),
    path(PERSON + "role/", people.people_role, name="people_role"),
    path(PERSON + "disable/", people.people_disable, name="people_disable"),
    path(PERSON + "enable/", people.people_enable, name="people_enable"),
    path(PERSON + "password/", people.people_password, name="people_password"),
    path(PERSON + "second-factor/", people.people_second_factor, name="people_second_factor"),
    path("join/<str:token>/", people.join, name="join"),
    path("virtual-clinic/", virtual_clinic.overview, name="virtual_clinic"),
    path("virtual-clinic/check/", virtual_clinic.check, name="virtual_check"),
    path("virtual-clinic/new/", virtual_clinic.new_patient, name="virtual_new_patient"),
    path("virtual-clinic/<slug:condition_id>/", virtual_clinic.condition, name="virtual_condition"),
    path("audit/", audit.audit_log, name="audit_log"),
    path("settings/", account.settings_page, name="settings"),
    path("healthz", health.healthz, name="healthz"),
    path("healthz/", health.healthz),
    path("accounts/", include("allauth.urls")),
    path("training/", include("training.urls")),
]
