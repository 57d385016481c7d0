"""HTTP to Django, WebSockets to the consumers, and one streaming host for the life of the process."""

import os
import sys
import threading
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
http = get_asgi_application()
# Threads talk to the database while the event loop relays tokens. At Python's 5 ms each hand-over of the lock
# costs a token, or one of the thirty queries that open a turn, up to that much: measured, 300 ms to a first word.
sys.setswitchinterval(0.0005)

from clinic.consumers import DIRECT_SEND  # noqa: E402  (needs the app registry)
from clinic.routing import websocket_urlpatterns  # noqa: E402
from clinic.streaming import host  # noqa: E402

protocols = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        host.current()  # for servers that run without lifespan events
        await protocols({**scope, DIRECT_SEND: send}, receive, send)


def warm() -> None:
    """Read the knowledge before the first visitor needs it: about a second that nobody has to wait for."""
    from agents.knowledge.safety import safety
    from agents.world.model import model

    model()
    safety()


async def lifespan(receive: Any, send: Any) -> None:
    """Turns left behind by an earlier process go on as soon as this one is up, with or without visitors."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            host.current()
            threading.Thread(target=warm, name="warm", daemon=True).start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await host.close_current()
            await send({"type": "lifespan.shutdown.complete"})
            return
