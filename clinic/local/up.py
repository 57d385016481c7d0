"""`run.py up`: everything, until Ctrl-C."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request

from clinic.local.home import Home, owner_lock
from clinic.local.ports import HOST, listen, web_port
from clinic.local.problem import LocalProblem, say
from clinic.local.stack import TICK_SECONDS, Stack, Stopped

WEB_SECONDS = 60.0


def up() -> int:
    home = Home.default()
    lock = owner_lock(home)
    if lock is None:
        state = home.read_state()
        where = f"at {state['web']}" if "web" in state else "for another command"
        raise LocalProblem(f"Rounds is already running {where} (process {state.get('pid', '?')}).")
    host = os.environ.get("ROUNDS_BIND", HOST)
    with listen(web_port(), host) as listener, Stack(home, lock) as stack:
        try:
            start(stack, f"http://{host}:{listener.getsockname()[1]}/", listener)
            while True:
                stack.tick()
                time.sleep(TICK_SECONDS)
        except Stopped:
            say("stopping")
    say("stopped")
    return 0


def start(stack: Stack, address: str, listener: object) -> None:
    began = time.monotonic()
    say("starting PostgreSQL and Valkey")
    stack.start_stores()
    stack.start_model()
    stack.offer_world()
    say("bringing the database up to date")
    stack.prepare()
    stack.start_web(listener)  # type: ignore[arg-type]
    stack.start_worker()
    stack.start_gpu_worker()
    wait_for_web(stack, address)
    stack.publish(web=address, command="up")
    print(f"\nRounds is at {address}  (ready after {time.monotonic() - began:.1f} s; Ctrl-C stops it)", flush=True)
    logins = stack.home.run / "demo.txt"
    if logins.exists():
        print(logins.read_text(), flush=True)
    if stack.model and stack.model.state != "ready":
        say("the pages are there already; the diagnostic agent is still starting")


def wait_for_web(stack: Stack, address: str) -> None:
    deadline = time.monotonic() + WEB_SECONDS
    while not responds(address):
        if time.monotonic() > deadline:
            raise LocalProblem(f"The web server does not answer; see {stack.home.log / 'web.log'}.")
        stack.pause()


def responds(address: str) -> bool:
    """Any HTTP answer will do: the page may well ask for a login."""
    try:
        with urllib.request.urlopen(address, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
