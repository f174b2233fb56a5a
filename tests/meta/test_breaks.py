"""Each rule, broken on purpose, turns the suite red (FAULTS.md section 4, "Meta")."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.meta.breaks import BREAKS

ROOT = Path(settings.BASE_DIR)
RULES = {f"D{number}" for number in range(1, 11)}
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) (\S+?)(?:\[\S*)?(?: - .*)?$", re.M)


def test_each_rule_and_the_redaction_have_a_break() -> None:
    assert {each.rule for each in BREAKS.values()} == {*RULES, "I17"}


@pytest.mark.parametrize("node", sorted({n for each in BREAKS.values() for n in each.killed_by}))
def test_what_must_notice_a_break_is_a_test(node: str) -> None:
    path, _, name = node.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(BREAKS))
def test_a_broken_rule_turns_the_suite_red(name: str, tmp_path: Path) -> None:
    nodes = BREAKS[name].killed_by
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-rA", "--tb=no"),
            *("-p", "tests.meta.plugin", "--break", name, "-p", "no:cacheprovider"),
            *nodes,
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    failed = {node for outcome, node in OUTCOME.findall(done.stdout) if outcome == "FAILED"}
    # 1: tests ran and some failed, not that nothing could run.
    assert done.returncode == 1, done.stdout + done.stderr
    assert failed == set(nodes), done.stdout
