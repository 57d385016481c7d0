"""`manage seed_demo`: the demo hospital, its logins, its cases and the agent; as often as you like."""

from typing import Any

from clinic.management import base
from clinic.services import demo


class Command(base.Command):
    help = "Make the demo hospital, one login per role, the demo cases, and register the agent of POLICY_URL."

    def run(self, **options: Any) -> dict[str, Any]:
        seeded = demo.seed()
        return {
            "ok": True,
            "site": seeded.site.slug,
            "people": [
                {"username": person.username, "password": demo.password_of(person.username), "role": person.role}
                for person in seeded.people
            ],
            "cases": seeded.cases,
            "agent": seeded.agent.version if seeded.agent else None,
        }

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write("Demo logins (published, so only for trying it out):")
        for person in result["people"]:
            self.stdout.write(f"  {person['role']:<12} {person['username']:<18} {person['password']}")
