"""Commands that people and programs use: one sentence on failure, one JSON object as the last line with --json."""

from __future__ import annotations

import json
import os
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import Error as DatabaseError

from clinic.services.errors import Refused


class Command(BaseCommand):
    """Subclasses write `run(**options)`, which returns the object that --json prints, and `tell(result)`."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(options)
        except BrokenPipeError:
            # Whoever read our output has seen enough; without this Python complains once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise SystemExit(1) from None

    def _handle(self, options: dict[str, Any]) -> None:
        try:
            result = self.run(**options)
        except (Refused, CommandError) as error:
            self._fail(_sentence(error), options)
        except DatabaseError as error:
            self._fail(f"The database refused: {_sentence(error)}", options)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._fail(
                f"{error.strerror or 'Reading or writing failed'}: {error.filename or _sentence(error)}", options
            )
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False, default=str))
        else:
            self.tell(result)
        if not self.is_good(result):
            raise SystemExit(1)

    def run(self, *args: Any, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def tell(self, result: dict[str, Any]) -> None:
        for name, value in result.items():
            self.stdout.write(f"{name}: {value}")

    def is_good(self, result: dict[str, Any]) -> bool:
        """False makes the exit code 1 although there is a result to show."""
        return True

    def _fail(self, sentence: str, options: dict[str, Any]) -> None:
        """The sentence goes to stderr by CommandError, and to stdout as JSON where that is asked for."""
        if options["json"]:
            self.stdout.write(json.dumps({"ok": False, "error": sentence}, ensure_ascii=False))
        raise CommandError(sentence)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
