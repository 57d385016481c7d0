"""Producing expired turns outside a web process, in an event loop of its own."""

from __future__ import annotations

from clinic.streaming.host import Host


async def recover_once() -> int:
    """Take every expired turn and see it through to its end."""
    async with Host(serves_sockets=False) as host:
        taken = await host.recover()
        await host.drain()
    return taken
