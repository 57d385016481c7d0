"""`manage invite EMAIL --role ROLE --site NAME`: the first administrator of a fresh installation, or anybody."""

from typing import Any

from django.core.management.base import CommandParser
from django.urls import reverse

from clinic.management import base
from clinic.models import Role
from clinic.services import people, sites


class Command(base.Command):
    help = "Invite a person and print the single-use link; the site is made if it does not exist."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--role", default=Role.CLINICIAN, choices=Role.values)
        parser.add_argument("--site", required=True, help="the site's name")

    def run(self, *, email: str, role: str, site: str, **options: Any) -> dict[str, Any]:
        invited = people.invite(by=None, email=email, role=role, site=sites.find_or_make(name=site))
        link = reverse("join", args=[invited.token])
        return {"ok": True, "email": email, "role": role, "link": link, "expires": invited.invitation.expires_at}

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"Hand this path over, after the address of your installation: {result['link']}")
