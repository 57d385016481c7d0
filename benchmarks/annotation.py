"""What a sheet costs in a queue of 1,000 and of 100,000 judgements: queries, milliseconds, and save to next.

    python -m benchmarks.annotation [--rows 1000 100000] [--repeats 20]

Stores of its own, one process, Django's test client for page, draft, submit and fetching ahead (queries counted by
the database wrapper, without opening and closing transactions); then a real web process and Debian's Chromium, where
a person who has read judges by key and presses Enter: from that key to the next sheet standing there. Both sizes in
one run. Table, then one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from clinic.local.checks import temporary_home
from clinic.local.stack import Stack

TARGET_MS = 100.0
STEPS = ("page", "draft", "ahead", "submit")
CONTROL = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


@dataclass(frozen=True)
class Cost:
    """One step at one size: the most queries seen, and the middle of its times."""

    queries: int
    ms: float


@dataclass(frozen=True)
class Size:
    """Everything measured in a queue of so many judgements."""

    rows: int
    steps: dict[str, Cost]
    save_to_next_ms: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    with stores() as log:
        sizes = measured(options.rows, options.repeats, log)
    report(sizes)


@contextlib.contextmanager
def stores() -> Iterator[Path]:
    """A database and a queue of their own with Django on them; gives the folder for logs."""
    with contextlib.ExitStack() as cleanup:
        stack = Stack(cleanup.enter_context(temporary_home()), throw_away=True)
        cleanup.callback(stack.stop)
        for name in ("DATABASE_URL", "VALKEY_URL"):
            stack.env.pop(name, None)
        stack.start_stores()
        os.environ.update(stack.env, ROUNDS_DEMO="0", LOG_LEVEL="WARNING", DJANGO_ALLOW_ASYNC_UNSAFE="true")
        import django
        from django.core.management import call_command

        from clinic.local.prepare import collect_static

        django.setup()
        collect_static()
        call_command("migrate", interactive=False, verbosity=0)
        yield stack.home.log


def measured(sizes: list[int], repeats: int, log: Path) -> list[Size]:
    """Sizes grow in one database: what is measured last has all the rows of those before."""
    from tests.clinic.annotation.sheets import crowd, make_sheet_queue
    from tests.clinic.factories import make_user

    queue, _ = make_sheet_queue(len(sizes) * (2 * repeats + 4))
    anna = make_user("annotator", username="anna")
    found, there = [], 0
    for rows in sorted(sizes):
        crowd(queue, rows - there)
        there = rows
        _analyse()
        print(f"{rows} judgements are there", file=sys.stderr)
        steps = by_client(anna, queue, repeats)
        found.append(Size(rows, steps, in_browser(anna, queue, repeats, log)))
    return found


def by_client(anna: Any, queue: Any, repeats: int) -> dict[str, Cost]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse

    from clinic.services import queues
    from tests.clinic.annotation.sheets import full, posted

    client = Client(HTTP_ACCEPT="application/json", SERVER_NAME="localhost")
    client.force_login(anna, backend="clinic.accounts.ClinicBackend")
    counted: dict[str, list[int]] = {step: [] for step in STEPS}
    spent: dict[str, list[float]] = {step: [] for step in STEPS}
    for n in range(repeats):
        sheet = queues.take_next(by=anna, queue=queue)
        if sheet is None:
            raise SystemExit("The queue is too short for so many repeats.")
        address = {step: reverse(f"sheet_{step}", args=[sheet.pk]) for step in ("draft", "ahead")}
        address |= {step: reverse("sheet", args=[sheet.pk]) for step in ("page", "submit")}
        data = {"page": {}, "draft": {**posted(full()), "number": n + 1}, "ahead": {}, "submit": posted(full())}
        for step in STEPS:
            ask = client.get if step == "page" else client.post
            with CaptureQueriesContext(connection) as seen:
                started = time.perf_counter()
                answer = ask(address[step], data[step])
                spent[step].append((time.perf_counter() - started) * 1000)
            if answer.status_code >= 400:
                raise SystemExit(f"{step}: {answer.status_code} {answer.content[:200]!r}")
            counted[step].append(sum(not row["sql"].startswith(CONTROL) for row in seen.captured_queries))
    return {step: Cost(max(counted[step]), median(spent[step])) for step in STEPS}


def in_browser(anna: Any, queue: Any, repeats: int, log: Path) -> list[float]:
    """Milliseconds from Enter to the next sheet; empty where there is no Chromium."""
    path = shutil.which("chromium")
    if path is None:
        print("No Chromium here: save to next was not measured.", file=sys.stderr)
        return []
    from playwright.sync_api import sync_playwright

    from tests.functional.conftest import FLAGS, WebProcess, free_port, sign_in
    from tests.functional.test_annotation import ahead, judge

    web = WebProcess(free_port(), log / "bench-web.log", dict(os.environ))
    web.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_context(base_url=web.address, viewport={"width": 1440, "height": 900}).new_page()
            sign_in(page, anna)
            page.goto(f"/annotation/next/?queue={queue.pk}")
            for _ in range(repeats):
                before = page.locator("#sheet").get_attribute("data-id")
                judge(page)
                ahead(page)
                page.keyboard.press("Enter")
                page.wait_for_selector(f'#sheet:not([data-id="{before}"])')
            spent = page.evaluate("performance.getEntriesByName('save-to-next').map((entry) => entry.duration)")
            browser.close()
            return list(spent)
    finally:
        web.end()


def _analyse() -> None:
    """What autovacuum does in its own time: the planner knows how many rows there are."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def report(sizes: list[Size]) -> None:
    print(f"{'judgements':>12}" + "".join(f"{step + ', queries / ms':>24}" for step in STEPS) + f"{'save to next':>24}")
    for size in sizes:
        cells = "".join(f"{cost.queries:>14} / {cost.ms:7.1f}" for cost in size.steps.values())
        print(f"{size.rows:>12}{cells}  {_spread(size.save_to_next_ms):>24}")
    one, last = sizes[0], sizes[-1]
    ratios = {
        step: {"of": one.steps[step].ms, "is": last.steps[step].ms, "ratio": last.steps[step].ms / one.steps[step].ms}
        for step in STEPS
    }
    print(json.dumps({"target_ms": TARGET_MS, "sizes": [asdict(size) for size in sizes], "growth": ratios}))


def _spread(spent: list[float]) -> str:
    if not spent:
        return "not measured"
    return f"{median(spent):.0f} ms (most {max(spent):.0f})"


if __name__ == "__main__":
    main()
