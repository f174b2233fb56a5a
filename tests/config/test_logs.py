"""In production a log line is one JSON object with its ids, and never holds a secret (I17)."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from config.logs import JsonLines, ids, logging_settings
from core.time import database_now
from deployments.lifecycle import advance
from deployments.lifecycle.actions import Do, Effect
from deployments.models.deployments import Status
from secrets_vault.redaction import RedactingFilter
from tests.builders import SECRET, make_deployment, make_machine

TOKEN = "slw_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg"


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    """A logger that writes as production does."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("deployments.test")  # noqa: LOG001  # known to nobody else
    logger.addHandler(handler)
    return logger, stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_holds_what_was_said_and_the_ids_of_the_work_it_belongs_to(
    log: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = log
    with structlog.contextvars.bound_contextvars(request_id="r1", deployment_id="d1"):
        logger.warning("Rented %s\nand more", "m1")
    logger.info("Afterwards")

    inside, after = lines(stream)
    assert (inside["level"], inside["logger"]) == ("warning", "deployments.test")
    assert inside["message"] == "Rented m1\nand more"
    assert (inside["request_id"], inside["deployment_id"]) == ("r1", "d1")
    assert inside["time"].endswith("+00:00")
    assert "request_id" not in after


def test_i17_no_secret_passes_in_message_traceback_stack_or_ids(
    log: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = log
    with structlog.contextvars.bound_contextvars(request_id=TOKEN):
        try:
            int(SECRET)
        except ValueError:
            logger.exception("key %s, token %s", SECRET, TOKEN, stack_info=True)

    (line,) = lines(stream)
    assert "ValueError" in line["exception"]
    assert "stack" in line
    assert SECRET not in stream.getvalue()
    assert TOKEN not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_i17_every_handler_redacts(as_json: bool) -> None:
    described: Any = logging_settings(as_json=as_json, level="INFO")

    assert all("redact" in handler["filters"] for handler in described["handlers"].values())


@pytest.mark.django_db
def test_what_a_step_logs_names_its_deployment_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = make_deployment(status=Status.BOOTING, status_since=database_now())
    machine = make_machine(deployment, active_at=database_now(), seen_status="active")
    seen: list[dict[str, object]] = []

    def look(*args: object) -> float:
        seen.append(ids())
        return 1.0

    monkeypatch.setattr(advance, "PERFORM", dict.fromkeys(advance.PERFORM, look))
    monkeypatch.setattr(advance, "decide", lambda situation: Do(Effect.LOG_IN, machine))

    advance.advance(deployment.pk, may_block=True)

    assert seen == [{"deployment_id": str(deployment.pk), "machine": machine.name}]
    assert ids() == {}
