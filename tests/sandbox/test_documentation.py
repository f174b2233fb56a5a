"""docs/sandbox.md says what the sandbox has: no row more, none less."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sandbox.control import Control
from sandbox.fault_kinds import CALLS, table
from sandbox.lambda_wire import LambdaWire
from sandbox.options import Settings, parser
from sandbox.runpod.graphql_wire import OPERATIONS
from sandbox.runpod.rest_wire import RestWire
from sandbox.runpod.scheduler import Scheduler
from tests.sandbox.cloud import make_cloud
from tests.sandbox_cloud import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
CALL = re.compile(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`")


def part(heading: str) -> str:
    """Return what stands under a heading."""
    return DOCUMENT.partition(f"## {heading}")[2].partition("\n## ")[0]


def test_the_table_of_faults_is_that_of_the_program() -> None:
    # If not: put the output of `python -m sandbox.fault_kinds` in its place.
    assert table() in part("Faults")


def test_every_option_is_described_and_no_other() -> None:
    described = set(re.findall(r"^\| `(--[a-z-]+)` \|", part("Start it"), flags=re.MULTILINE))

    options = {name for action in parser()._actions for name in action.option_strings}  # noqa: SLF001

    assert described == options - {"-h", "--help"}


def test_every_call_of_the_api_is_listed_and_no_other(tmp_path: Path) -> None:
    routes = LambdaWire(make_cloud(tmp_path)).routes

    listed = CALL.findall(part("Lambda's side"))

    assert sorted(listed) == sorted(f"{route.method} {route.path}" for route in routes)


def test_every_call_of_runpod_is_listed_and_no_other(tmp_path: Path) -> None:
    cloud = make_cloud(tmp_path)
    routes = RestWire(cloud, Scheduler(cloud)).routes

    listed = CALL.findall(part("RunPod's side"))

    assert sorted(listed) == sorted(f"{route.method} {route.path}" for route in routes)


@pytest.mark.parametrize("field", OPERATIONS)
def test_every_field_of_graphql_is_listed(field: str) -> None:
    assert f"`{field}`" in part("RunPod's side")


@pytest.mark.parametrize("operation", CALLS)
def test_every_name_that_a_fault_goes_on_is_listed(operation: str) -> None:
    assert f"| `{operation}` |" in part("Lambda's side") + part("RunPod's side")


def test_every_control_call_is_listed_and_no_other(tmp_path: Path) -> None:
    calls = Control(make_cloud(tmp_path)).calls()

    listed = CALL.findall(part("The other side"))

    assert sorted(listed) == sorted(calls)


@pytest.mark.parametrize("setting", [field.name for field in fields(Settings)])
def test_every_setting_is_named(setting: str) -> None:
    assert f"`{setting}`" in part("The other side")
