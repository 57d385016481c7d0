"""Has both versions served, and lets a gate begin only where each answers as itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clinic.models import Endpoint
from clinic.services.errors import Refused
from training.gates.seats import Server
from training.gates.sentences import SENTENCES
from training.models import Gate


@dataclass(frozen=True)
class Brought:
    """Both servers, and what the fixed probes said of each."""

    candidate: Server
    baseline: Server
    identity: Mapping[str, bool] = field(default_factory=dict)
    again: Callable[[], None] = lambda: None
    """Probes both once more after they played; raises Refused where one was swapped meanwhile."""


def bring_both_up(gate: Gate, tell: Callable[[str], None]) -> Brought:
    """Raises Refused where one cannot be served, or another than it answers: the wrong policy proves nothing."""
    # Serving asks gates who may serve, so at import each would need the other.
    from training import serving

    found = {}
    for side, version in (("baseline", gate.baseline), ("candidate", gate.candidate)):
        tell(f"Bringing up {version.version}")
        found[side] = Server(version, serving.bring_up(version, wait=True))
        _probe(found[side])

    def again() -> None:
        for server in found.values():
            _probe(server)

    return Brought(found["candidate"], found["baseline"], dict.fromkeys(found, True), again)


def _probe(server: Server) -> None:
    from training import serving

    if not serving.check_identity(server.endpoint):
        why = _why(server.endpoint)
        raise Refused(SENTENCES["not_this_version"].format(version=server.version.version, why=why))


def _why(endpoint: Endpoint) -> str:
    endpoint.refresh_from_db()
    said = str(endpoint.identity_detail.get("why") or endpoint.identity_detail.get("reason") or "")
    return said if said else "its probes differ."
