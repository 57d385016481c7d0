"""`python -m clinic.local COMMAND`: what run.py hands over to."""

from __future__ import annotations

import sys

from clinic.local.problem import LocalProblem
from clinic.local.stack import Stopped


def main(arguments: list[str]) -> int:
    command, rest = arguments[0], arguments[1:]
    try:
        return _dispatch(command, rest)
    except LocalProblem as problem:
        print(f"rounds: {problem}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped):
        return 130


def _dispatch(command: str, rest: list[str]) -> int:
    if command in ("up", "smoke") and rest:
        raise LocalProblem(f"{command} takes no arguments, and was given {' '.join(rest)!r}.")
    if command == "up":
        from clinic.local.up import up

        return up()
    if command == "manage":
        from clinic.local.manage import manage

        return manage(rest)
    if command == "smoke":
        from clinic.local.smoke import smoke

        return smoke()
    from clinic.local.checks import test

    return test(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
