"""`manage evaluation_table --cases SET`: the finished end-to-end evaluations on the same cases, one row a policy."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services import sites
from clinic.services.errors import Refused
from training.models import Evaluation
from training.standings import MEASURES, Number, Standing, standings

COLUMNS = ("policy", "n", *MEASURES)
SHARES = ("accuracy", "accuracy_over_oracle", "f1_mean_per_case", "f1_of_means", "malformed")


class Command(base.Command):
    help = "Print the evaluations on the same cases as one table, best first; intervals are 95 %."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--cases", default="virtual:test", metavar="SET", help="as for evaluate (virtual:test)")
        parser.add_argument("--limit", type=int, metavar="N", help="evaluations of N cases only")
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, **options: Any) -> dict[str, Any]:
        site = sites.find(slug=options["site"])
        mine = Evaluation.objects.filter(site=site)
        found = standings(mine, case_set=options["cases"], total=options["limit"])
        if found is None:
            raise Refused(f"No finished end-to-end evaluation on {options['cases']}; manage evaluate makes one.")
        self.rows = found.rows
        told = {"cases": found.case_set, "case_seed": found.case_seed, "n": found.n, "judge": found.judge or None}
        return {"ok": True, **told, "rows": [row.as_dict() for row in found.rows]}

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['cases']}, {result['n']} cases; in brackets 95 % intervals over cases")
        lines = [list(COLUMNS), *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
        for line in lines:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cells(row: Standing) -> list[str]:
    n = str(row.n) if row.scored == row.n else f"{row.scored}/{row.n}"
    return [row.policy, n, *(_cell(row.numbers[name], 3 if name in SHARES else 1) for name in MEASURES)]


def _cell(number: Number, digits: int) -> str:
    if number.value is None:
        return "-"
    interval = "" if number.low is None else f" [{number.low:.{digits}f}, {number.high:.{digits}f}]"
    return f"{number.value:.{digits}f}{interval}"
