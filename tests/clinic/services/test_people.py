"""People: invited once, managed only by their site's administrator, ended at once, always audited."""

import threading
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from clinic.models import AuditEntry, Invitation, Role, User
from clinic.services import people
from clinic.services.errors import Refused
from clinic.services.sessions import group_of, mark_of
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture
def admin():
    return make.make_user(Role.ADMIN)


@pytest.fixture
def channel_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    return get_channel_layer()


def sign_in(name: str, password: str = make.PASSWORD) -> Client:
    client = Client()
    client.post(LOGIN, {"login": name, "password": password})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/password/change/").status_code == 200


def add_second_factor(user: User) -> None:
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})


def actions() -> list[str]:
    return list(AuditEntry.objects.values_list("action", flat=True))


class TestInvitations:
    def accept(self, token: str, **fields: str) -> User:
        return people.accept(**{"token": token, "username": "ada", "password": "a long pass phrase", **fields})

    def test_the_link_makes_one_account(self, admin):
        invited = people.invite(by=admin, email="ada@example.org", role=Role.ANNOTATOR)
        user = self.accept(invited.token, first_name="Ada")
        assert (user.email, user.role, user.site) == ("ada@example.org", Role.ANNOTATOR, admin.site)
        assert is_signed_in(sign_in("ada", "a long pass phrase"))
        with pytest.raises(Refused, match="no longer valid"):
            self.accept(invited.token, username="eve")
        assert {"person.invited", "person.joined"} <= set(actions())

    def test_only_a_hash_of_the_token_is_kept(self, admin):
        invited = people.invite(by=admin, email="ada@example.org", role=Role.CLINICIAN)
        row = Invitation.objects.filter(pk=invited.invitation.pk).values().get()
        assert invited.token not in str(row)
        assert invited.token not in str(list(AuditEntry.objects.values("data")))

    def test_it_expires(self, admin):
        invited = people.invite(by=admin, email="a@example.org", role=Role.CLINICIAN, lifetime=timedelta(seconds=-1))
        with pytest.raises(Refused, match="no longer valid"):
            self.accept(invited.token)

    def test_a_new_invitation_replaces_the_old_one(self, admin):
        old = people.invite(by=admin, email="ada@example.org", role=Role.CLINICIAN)
        new = people.invite(by=admin, email="ADA@example.org", role=Role.ADMIN)
        with pytest.raises(Refused):
            self.accept(old.token)
        assert self.accept(new.token).role == Role.ADMIN

    def test_it_can_be_withdrawn(self, admin):
        invited = people.invite(by=admin, email="ada@example.org", role=Role.CLINICIAN)
        people.withdraw(invitation=invited.invitation, by=admin)
        with pytest.raises(Refused):
            self.accept(invited.token)
        assert not people.open_invitations(site=admin.site).exists()

    @pytest.mark.parametrize("role", [r for r in Role.values if r != Role.ADMIN])
    def test_others_do_not_invite(self, role):
        with pytest.raises(Refused, match="administrator"):
            people.invite(by=make.make_user(role), email="ada@example.org", role=Role.CLINICIAN)

    @pytest.mark.parametrize(("field", "value"), [("email", "ada"), ("role", "king")])
    def test_nonsense_is_refused(self, admin, field, value):
        with pytest.raises(Refused):
            people.invite(**{"by": admin, "email": "ada@example.org", "role": Role.CLINICIAN, field: value})

    def test_an_existing_address_is_refused(self, admin):
        with pytest.raises(Refused, match="already"):
            people.invite(by=admin, email=admin.email.upper(), role=Role.CLINICIAN)

    @pytest.mark.parametrize(
        "fields", [{"password": "short"}, {"password": "password1234"}, {"username": ""}, {"username": "a b"}]
    )
    def test_a_bad_account_leaves_the_invitation_open(self, admin, fields):
        invited = people.invite(by=admin, email="ada@example.org", role=Role.CLINICIAN)
        with pytest.raises(Refused):
            self.accept(invited.token, **fields)
        assert self.accept(invited.token).username == "ada"

    def test_a_taken_username_is_refused(self, admin):
        invited = people.invite(by=admin, email="ada@example.org", role=Role.CLINICIAN)
        with pytest.raises(Refused, match="already exists"):
            self.accept(invited.token, username=admin.username)


class TestRoles:
    def test_a_role_changes(self, admin):
        person = make.make_user()
        people.change_role(person=person, role=Role.RESEARCHER, by=admin)
        person.refresh_from_db()
        assert person.role == Role.RESEARCHER
        entry = AuditEntry.objects.latest("seq")
        assert (entry.action, entry.actor, entry.data) == (
            "person.role_changed",
            admin,
            {"old": "clinician", "new": "researcher"},
        )

    def test_the_last_administrator_stays(self, admin):
        for change in (
            lambda: people.change_role(person=admin, role=Role.CLINICIAN, by=admin),
            lambda: people.disable(person=admin, by=None),
        ):
            with pytest.raises(Refused, match="last active administrator"):
                change()
        make.make_user(Role.ADMIN, is_active=False)
        make.make_user(Role.ADMIN, site=make.make_site())
        with pytest.raises(Refused, match="last active administrator"):
            people.change_role(person=admin, role=Role.CLINICIAN, by=admin)

    def test_one_of_two_administrators_may_go(self, admin):
        people.disable(person=make.make_user(Role.ADMIN), by=admin)
        assert User.objects.filter(role=Role.ADMIN, is_active=True).get() == admin

    @pytest.mark.parametrize("stranger", [Role.CLINICIAN, Role.RESEARCHER, Role.ADJUDICATOR, "elsewhere", "disabled"])
    def test_nobody_else_manages_people(self, admin, stranger):
        by = {
            "elsewhere": lambda: make.make_user(Role.ADMIN, site=make.make_site()),
            "disabled": lambda: make.make_user(Role.ADMIN, is_active=False),
        }.get(stranger, lambda: make.make_user(stranger))()
        person = make.make_user()
        for verb, more in (
            (people.change_role, {"role": Role.ADMIN}),
            (people.disable, {}),
            (people.enable, {}),
            (people.reset_password, {}),
            (people.reset_second_factor, {}),
        ):
            with pytest.raises(Refused, match="administrator"):
                verb(person=person, by=by, **more)

    def test_people_are_seen_at_their_site_only(self, admin):
        person, stranger = make.make_user(), make.make_user(site=make.make_site())
        assert set(people.visible_to(admin)) == {admin, person}
        assert set(people.visible_to(person)) == {person}
        assert set(people.visible_to(stranger)) == {stranger}


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_demote_each_other_leave_one():
    admins = [make.make_user(Role.ADMIN), make.make_user(Role.ADMIN)]
    refused, together = [], threading.Barrier(2)

    def demote(person: User, by: User) -> None:
        person, by = User.objects.get(pk=person.pk), User.objects.get(pk=by.pk)  # as each request has its own
        together.wait(10)
        try:
            people.change_role(person=person, role=Role.CLINICIAN, by=by)
        except Refused as sentence:
            refused.append(str(sentence))
        connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in (admins, admins[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.filter(role=Role.ADMIN).count() == 1
    assert refused == [people.LAST_ADMIN]


class TestDisabling:
    def test_every_session_ends(self, admin):
        person, other = make.make_user(), make.make_user()
        browsers = [sign_in(person.username), sign_in(person.email)]
        others = sign_in(other.username)
        assert all(is_signed_in(browser) for browser in browsers)
        people.disable(person=person, by=admin, reason="left")
        assert not any(is_signed_in(browser) for browser in browsers)
        assert is_signed_in(others)
        assert Session.objects.count() == 1
        assert not is_signed_in(sign_in(person.username))
        people.enable(person=person, by=admin)
        assert is_signed_in(sign_in(person.username))
        assert {"person.disabled", "person.enabled"} <= set(actions())

    def test_sockets_are_told(self, admin, channel_layer, django_capture_on_commit_callbacks):
        person = make.make_user()
        async_to_sync(channel_layer.group_add)(group_of(person.pk), "socket")
        with django_capture_on_commit_callbacks(execute=True):
            people.disable(person=person, by=admin)
        assert async_to_sync(channel_layer.receive)("socket") == {
            "type": "session.ended",
            "user": person.pk,
            "session": "",
        }

    def test_logout_ends_only_its_own_session_s_sockets(self, channel_layer, django_capture_on_commit_callbacks):
        person = make.make_user()
        client = sign_in(person.username)
        key = client.session.session_key
        async_to_sync(channel_layer.group_add)(group_of(person.pk), "socket")
        with django_capture_on_commit_callbacks(execute=True):
            client.post("/accounts/logout/")
        message = async_to_sync(channel_layer.receive)("socket")
        assert message == {"type": "session.ended", "user": person.pk, "session": mark_of(key)}
        assert key not in str(message)

    def test_a_silent_queue_does_not_undo_it(self, admin, settings, django_capture_on_commit_callbacks):
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": ["redis://127.0.0.1:9"]},
            }
        }
        person = make.make_user()
        with django_capture_on_commit_callbacks() as callbacks:
            people.disable(person=person, by=admin)
        assert len(callbacks) == 1
        person.refresh_from_db()
        assert not person.is_active

    def test_not_oneself(self, admin):
        make.make_user(Role.ADMIN)
        with pytest.raises(Refused, match="your own"):
            people.disable(person=admin, by=admin)

    def test_twice_is_refused(self, admin):
        person = make.make_user()
        people.disable(person=person, by=admin)
        with pytest.raises(Refused, match="already disabled"):
            people.disable(person=person, by=admin)


class TestPasswordLink:
    def test_it_sets_a_new_password_once(self, admin):
        person = make.make_user()
        path = people.reset_password(person=person, by=admin)
        client = Client()
        form = client.get(path, follow=True)
        new = {"password1": "an entirely new one", "password2": "an entirely new one"}
        client.post(form.request["PATH_INFO"], new)
        assert is_signed_in(sign_in(person.username, "an entirely new one"))
        assert "person.password_changed" in actions()
        again = Client().get(path, follow=True)
        assert again.context.get("token_fail")

    def test_not_for_a_disabled_person(self, admin):
        with pytest.raises(Refused, match="disabled"):
            people.reset_password(person=make.make_user(is_active=False), by=admin)


class TestSecondFactor:
    def test_a_reset_forgets_it_and_signs_out(self, admin):
        person = make.make_user()
        client = sign_in(person.username)
        add_second_factor(person)
        people.reset_second_factor(person=person, by=admin)
        assert not Authenticator.objects.filter(user=person).exists()
        assert not is_signed_in(client)
        with pytest.raises(Refused, match="no second factor"):
            people.reset_second_factor(person=person, by=admin)

    def test_a_site_can_demand_it(self, admin):
        person = make.make_user()
        client = sign_in(person.username)
        assert client.get("/nowhere/").status_code == 404
        people.require_second_factor(site=person.site, required=True, by=admin)
        assert client.get("/nowhere/").url == "/accounts/2fa/totp/activate/"
        assert is_signed_in(client)  # the account's own pages stay open
        add_second_factor(person)
        assert client.get("/nowhere/").status_code == 404

    def test_a_role_can_demand_it(self, admin, settings):
        settings.SECOND_FACTOR_ROLES = ["admin"]
        assert people.lacks_second_factor(admin)
        assert not people.lacks_second_factor(make.make_user())

    def test_only_its_administrator_demands_it(self, admin):
        with pytest.raises(Refused):
            people.require_second_factor(site=admin.site, required=True, by=make.make_user())


class TestSigningIn:
    def test_by_name_and_by_address(self):
        person = make.make_user()
        assert is_signed_in(sign_in(person.username))
        assert is_signed_in(sign_in(person.email))
        assert actions().count("session.started") == 2

    def test_demo_logins_are_refused_in_production(self, settings):
        person = make.make_user(is_demo=True)
        client = sign_in(person.username)
        assert is_signed_in(client)
        settings.PRODUCTION = True
        assert not is_signed_in(client)
        assert not is_signed_in(sign_in(person.username))

    def test_failures_are_audited_without_what_was_typed(self):
        person = make.make_user()
        sign_in(person.username, "wrong")
        sign_in("my secret pass phrase", "wrong")
        refused = AuditEntry.objects.filter(action="session.refused")
        assert [entry.target for entry in refused] == [str(person.pk), "unknown"]
        assert "secret" not in str(list(AuditEntry.objects.values()))

    def test_guessing_is_locked_out_by_name_and_address_together(self, settings):
        person = make.make_user()
        for n in range(settings.AXES_FAILURE_LIMIT):
            sign_in(person.email if n % 2 else person.username, "wrong")
        assert not is_signed_in(sign_in(person.username))
        assert not is_signed_in(sign_in(person.email))

    def test_nobody_signs_up_unasked(self):
        response = Client().post(
            "/accounts/signup/", {"email": "eve@example.org", "username": "eve", "password1": make.PASSWORD}
        )
        assert not User.objects.filter(username="eve").exists()
        assert response.status_code == 200


def test_invitations_outlive_nothing():
    """An invitation that expired yesterday is not open."""
    by = make.make_user(Role.ADMIN)
    invited = people.invite(by=by, email="late@example.org", role=Role.CLINICIAN)
    Invitation.objects.filter(pk=invited.invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert not people.open_invitations(site=by.site).exists()
