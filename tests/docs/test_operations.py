"""What docs/operations tells an operator to run exists, and stops Slipway the way it must be."""

import configparser
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from deployments.worker import STOP_GRACE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "operations"
SERVICES = sorted(FOLDER.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    # Keys of units are written as systemd has them, with capitals.
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as documented
    parser.read(path, encoding="utf-8")
    return parser  # type: ignore[return-value]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_runs_what_is_there_as_nobody_special(path: Path) -> None:
    service = unit(path)["Service"]

    _, *words = service["ExecStart"].split()

    if words[0] == "manage.py":
        assert words[1] in get_commands()
    else:
        assert words[:3] == ["-m", "gunicorn", "config.wsgi"]
    assert service["User"] == "slipway"
    assert service["NoNewPrivileges"] == "yes"
    assert service["UMask"] == "0077"


def test_the_worker_is_stopped_by_its_main_process_alone_and_given_time() -> None:
    service = unit(FOLDER / "slipway-worker.service")["Service"]

    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > STOP_GRACE_SECONDS + 10
    assert service["Restart"] == "always"


def test_D7_reap_waits_for_nothing_of_ours_and_catches_up() -> None:
    reap = unit(FOLDER / "slipway-reap.service")
    timer = unit(FOLDER / "slipway-reap.timer")["Timer"]

    assert "slipway-w" not in str(dict(reap["Unit"]))
    assert reap["Service"]["Type"] == "oneshot"
    # A sweep that hangs must not keep the next one from starting.
    assert float(reap["Service"]["TimeoutStartSec"]) < 300
    assert (timer["OnCalendar"], timer["Persistent"]) == ("*:0/5", "true")


def test_every_command_that_the_page_names_exists() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")

    named = set(re.findall(r"manage\.py ([a-z_]+)", page))

    assert {"doctor", "reap", "rewrap_secrets", "prove_cloud", "migrate"} <= named
    assert named <= set(get_commands())


def test_every_file_that_the_page_names_exists() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")

    for name in re.findall(r"`((?:slipway-[a-z]+\.(?:service|timer))|nginx\.conf)`", page):
        assert (FOLDER / name).is_file(), name
