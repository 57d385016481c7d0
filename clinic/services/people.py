"""Manages people: roles, disabling, passwords, second factors. Only a site's administrator, and always audited."""

from __future__ import annotations

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from clinic.models import ModelRole, ModelVersion, Role, Site, User, VersionStatus
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.invitations import accept as accept
from clinic.services.invitations import invite as invite
from clinic.services.invitations import open_invitations as open_invitations
from clinic.services.invitations import pending as pending
from clinic.services.invitations import withdraw as withdraw
from clinic.services.sessions import end_sessions, end_sockets

LAST_ADMIN = "This is the site's last active administrator. Make somebody else an administrator first."


def visible_to(user: User) -> QuerySet[User]:
    """An administrator sees the people of the site, everybody else only themselves."""
    people = User.objects.filter(site=user.site_id, site__isnull=False).select_related("site")
    return people if user.is_site_admin else people.filter(pk=user.pk)


@transaction.atomic
def change_role(*, person: User, role: str, by: User | None) -> None:
    """Takes effect with the next request; open sockets are closed, since they may show too much now."""
    _check(person, by=by)
    if role not in Role.values:
        raise Refused(f"{role} is not a role; choose one of {', '.join(Role.values)}.")
    if role == person.role:
        return
    if person.role == Role.ADMIN:
        _check_not_last_admin(person)
    old, person.role = person.role, role
    person.save(update_fields=["role"])
    end_sockets(person.pk)
    _audit("person.role_changed", person, by=by, old=old, new=role)


@transaction.atomic
def disable(*, person: User, by: User | None, reason: str = "") -> None:
    """Ends every session and socket at once. What the person did stays under their name."""
    _check(person, by=by)
    if by is not None and by.pk == person.pk:
        raise Refused("You cannot disable your own account; another administrator can.")
    if not person.is_active:
        raise Refused("This account is already disabled.")
    if person.role == Role.ADMIN:
        _check_not_last_admin(person)
    person.is_active, person.disabled_at = False, timezone.now()
    person.save(update_fields=["is_active", "disabled_at"])
    _audit("person.disabled", person, by=by, reason=reason, sessions=end_sessions(person))


@transaction.atomic
def enable(*, person: User, by: User | None) -> None:
    _check(person, by=by)
    if person.is_active:
        raise Refused("This account is not disabled.")
    person.is_active, person.disabled_at = True, None
    person.save(update_fields=["is_active", "disabled_at"])
    _audit("person.enabled", person, by=by)


@transaction.atomic
def reset_password(*, person: User, by: User | None) -> str:
    """The path of a link with which the person sets a new password; the administrator hands it over.

    It works once and for PASSWORD_RESET_TIMEOUT seconds; the old password stays until then.
    """
    _check(person, by=by)
    if not person.is_active:
        raise Refused("This account is disabled; enable it first.")
    _audit("person.password_link", person, by=by)
    link = {"uidb36": user_pk_to_url_str(person), "key": default_token_generator.make_token(person)}
    return reverse("account_reset_password_from_key", kwargs=link)


@transaction.atomic
def reset_second_factor(*, person: User, by: User | None) -> None:
    """Forget authenticator and recovery codes, for someone who lost them; every session ends."""
    _check(person, by=by)
    forgotten, _ = Authenticator.objects.filter(user=person).delete()
    if not forgotten:
        raise Refused("This account has no second factor.")
    _audit("person.second_factor_reset", person, by=by, sessions=end_sessions(person))


@transaction.atomic
def require_second_factor(*, site: Site, required: bool, by: User | None) -> None:
    """From the next request on, everybody at the site must set one up before anything else."""
    if by is not None and not (by.is_site_admin and by.site_id == site.pk):
        raise Refused("Only an administrator of the site changes this.")
    site.requires_second_factor = required
    site.save(update_fields=["requires_second_factor"])
    audit.record(
        by=by, action="site.second_factor", noun="site", target=site.slug, site=site, data={"required": required}
    )


def lacks_second_factor(user: User) -> bool:
    """Whether the site or the role demands a second factor that the person has not set up."""
    site = user.site
    demanded = (site is not None and site.requires_second_factor) or user.role in settings.SECOND_FACTOR_ROLES
    return demanded and not is_mfa_enabled(user)


def _check(person: User, *, by: User | None) -> None:
    """`by` is an active administrator of the person's site, or None for a command on the server."""
    if by is not None and not (by.is_site_admin and by.site_id is not None and by.site_id == person.site_id):
        raise Refused("Only an administrator of the person's site does this.")


def _check_not_last_admin(person: User) -> None:
    # The site's row is the lock: two administrators who demote each other at once do it one after the other.
    Site.objects.select_for_update(no_key=True).get(people=person)
    others = User.objects.filter(site=person.site_id, role=Role.ADMIN, is_active=True).exclude(pk=person.pk)
    if not others.exists():
        raise Refused(LAST_ADMIN)


def _audit(action: str, person: User, *, by: User | None, **data: object) -> None:
    audit.record(by=by, action=action, noun="user", target=person.pk, site=person.site, data=data)


def choose_independent(*, by: User, own: bool | None) -> None:
    """Commit one's own differential first: on, off, or as the site has it."""
    User.objects.filter(pk=by.pk).update(independent_first=own)
    audit.record(by=by, action="person.independent_first", noun="user", target=str(by.pk), data={"own": own})


def choose_independent_for_site(*, by: User, on: bool) -> None:
    """The site's default, which every person may overrule for themselves."""
    if not by.is_site_admin or by.site is None:
        raise Refused("Only an administrator changes a setting of the site.")
    Site.objects.filter(pk=by.site.pk).update(independent_first=on)
    audit.record(
        by=by, action="site.independent_first", noun="site", target=by.site.slug, site=by.site, data={"on": on}
    )


def choose_units(*, by: User, conventional: bool | None) -> None:
    """The units in which results are entered first; the other ones stand beside them."""
    User.objects.filter(pk=by.pk).update(conventional_units=conventional)


def saw_version(*, by: User) -> None:
    """The note about the version that serves now was read; it comes again with the next one."""
    serving = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
    User.objects.filter(pk=by.pk).update(seen_version=serving)
