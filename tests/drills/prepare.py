"""Fills an empty database for a drill or a benchmark, in a process of its own.

    python -m tests.drills.prepare ENGINE_URL MODEL COUNT

Prints one JSON object: the session cookie of a clinician, and consultations in which the agent's turn can be asked
for with "retry".
"""

from __future__ import annotations

import json
import sys


def prepare(engine_url: str, model: str, count: int) -> dict[str, object]:
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    from clinic.models import Consultation, ConsultationStatus
    from tests.clinic.factories import make_case, make_endpoint, make_user

    call_command("migrate", verbosity=0)
    user, case, endpoint = make_user(), make_case(), make_endpoint(url=engine_url, model_name=model)
    facts = {"site": case.site, "case": case, "clinician": user, "model_version": endpoint.model_version}
    facts |= {"endpoint": endpoint, "status": ConsultationStatus.STOPPED}
    rows = Consultation.objects.bulk_create([Consultation(**facts) for _ in range(count)])
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    return {"cookie": client.cookies["sessionid"].value, "consultations": [str(row.pk) for row in rows]}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(prepare(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
