"""The tables of docs/reliability.md, made from the names of the tests and from the breaks.

``python -m tests.meta.tables`` writes them anew between their marks; a test compares.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

# Sets Django up, which the boundaries need.
import tests.conftest  # noqa: F401
from tests.deployments.virtual.tripwire import BOUNDARIES
from tests.meta.breaks import BREAKS
from tests.meta.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NUMBER = re.compile(r"_f0*(\d+)(?=_)", re.I)
# A row shows so many tests by name; the others are counted.
SHOWN = 3


@cache
def tests_by_fault() -> dict[int, list[str]]:
    """Return the tests whose name cites each row of the catalogue, as file::name, sorted."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests")
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(item, ast.FunctionDef) and item.name.startswith("test_"):
                for number in {int(n) for n in NUMBER.findall(item.name)}:
                    found[number].append(f"{place}::{item.name}")
    return {number: sorted(tests) for number, tests in found.items()}


def fault_table() -> str:
    """Return one line for each row of the catalogue: its number, what it is, and its tests."""
    found = tests_by_fault()
    lines = ["| F | Fault | Tests |", "|---|---|---|"]
    for number, text in FAULTS.items():
        tests = found.get(number, [])
        names = "<br>".join(f"`{name}`" for name in tests[:SHOWN])
        more = f"<br>and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
        lines.append(f"| F{number} | {text} | {names}{more} |")
    return "\n".join(lines)


def rule_table() -> str:
    """Return one line for each way in which a rule is broken on purpose."""
    lines = ["| Rule | Broken on purpose | What turns red |", "|---|---|---|"]
    for each in BREAKS.values():
        names = "<br>".join(f"`{node.removeprefix('tests/')}`" for node in each.killed_by)
        lines.append(f"| {each.rule} | {each.text} | {names} |")
    return "\n".join(lines)


def boundary_table() -> str:
    """Return one line for each call before and after which workers die in the tests."""
    lines = ["| Kind | Call | What it does |", "|---|---|---|"]
    for each in BOUNDARIES:
        place = each.owner.__name__.rpartition(".")[2].removeprefix("Virtual")
        lines.append(f"| {each.kind} | `{place}.{each.name}` | {each.does} |")
    return "\n".join(lines)


TABLES = {"faults": fault_table, "rules": rule_table, "boundaries": boundary_table}


def with_tables(page: str) -> str:
    """Return the page with each table written anew between its marks."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        head, _, rest = page.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            raise LookupError(f"no marks for {name} in {PAGE.name}")
        page = f"{head}{begin}\n{table()}\n{end}{tail}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
