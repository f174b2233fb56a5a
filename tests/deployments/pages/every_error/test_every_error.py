"""Every code is provoked as it comes about, and told as people need it (PAGES section 5).

A code without a row fails here; tests/browser/look_at_every_error.py takes their pictures.
"""

import json
import re
from collections.abc import Iterable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

import config.urls  # noqa: F401  # before the world's clock: what is loaded later would keep it
from deployments.models import Machine
from deployments.pages.help.codes import BY_CODE
from tests.deployments.pages.every_error import asking, programs, run_ends, run_needs_owner
from tests.deployments.pages.every_error.stage import HOSTILE, Row, Shown, Stage

# What a command prints and neither a page nor the interface ever says.
COMMANDS_ONLY = frozenset({"E_PROOF"})
ON_PAGES: tuple[Row, ...] = (*run_ends.ROWS, *run_needs_owner.ROWS, *asking.ROWS)
SAYS_NOTHING_BILLS = re.compile(
    r"nothing bills|nothing costs money|[Nn]othing was (started|rented|changed)|Nothing\. |"
    r"Nothing new|go on billing|goes on billing|be alive|looked after by the worker|"
    r"Replacing costs nothing"
)
SAYS_IT_BILLS = re.compile(r"bills|billing|bill for ever|still counting")
UNFIT = re.compile(r"\bNone\b|Traceback|Error\(|&lt;|\{\{|\bTrue\b|\bFalse\b")


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    return Stage(request, settings, monkeypatch)


@pytest.mark.parametrize("row", ON_PAGES, ids=str)
def test_a_page_tells_what_happened_what_it_costs_and_what_to_do(
    db: None, stage: Stage, row: Row
) -> None:
    page = row.provoke(stage)

    assert row.says in page.words
    assert f'<a class="code-link" href="/help/{row.code}/">{row.code}</a>' in page.html
    money = SAYS_IT_BILLS if row.bills else SAYS_NOTHING_BILLS
    assert money.search(page.words), page.words
    assert not UNFIT.search(page.words.replace(HOSTILE, "")), page.words
    assert HOSTILE not in page.html
    _has_its_parts(row, page)


def _has_its_parts(row: Row, page: Shown) -> None:
    parts: Iterable[str] = ()
    if row.place.startswith("run"):
        parts = ("What it cost", "What we do next", "What you can do")
    elif "deployments/problem" in page.html or "<dt>What it costs" in page.html:
        parts = ("What it costs", "What Slipway does", "What you can do")
    for part in parts:
        assert part in page.words, part


@pytest.mark.parametrize("row", programs.ROWS, ids=str)
def test_a_program_is_told_the_code_what_happened_and_the_remedy(
    db: None, stage: Stage, row: Row
) -> None:
    answer = row.provoke(stage)

    error = json.loads(answer.html)["error"]
    assert error["code"] == row.code
    assert row.says in error["message"]
    assert error["remedy"].endswith((".", "..."))
    assert 400 <= answer.status < 500


def test_f21_a_stray_never_leads_to_ending_the_runs_own_machine(db: None, stage: Stage) -> None:
    page = run_needs_owner.more_than_was_asked_for(stage)

    alarm = page.html.partition('aria-labelledby="alarm-title"')[2].partition("</section>")[0]
    assert "Your run goes on meanwhile." in alarm
    assert "yourself" not in alarm
    assert Machine.objects.get().name not in alarm


def test_f56_with_a_refused_key_the_machine_to_end_is_named_once(db: None, stage: Stage) -> None:
    page = run_needs_owner.key_is_refused(stage)

    assert page.words.count("by hand") == 0
    assert "Or end the machine at Virtual yourself" in page.words


def test_every_code_is_provoked() -> None:
    rows = {row.code for row in (*ON_PAGES, *programs.ROWS)}

    assert rows | COMMANDS_ONLY == set(BY_CODE)


def test_every_code_of_a_page_leads_to_its_help(reader: Client) -> None:
    for code in {row.code for row in ON_PAGES}:
        assert reader.get(f"/help/{code}/").status_code == 200
