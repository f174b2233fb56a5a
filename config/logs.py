"""The log: plain lines in development, one JSON object a line with its ids in production.

Ids (request_id, deployment_id, machine) are bound where a request or a step begins
(``structlog.contextvars``) and stand in every line written meanwhile, by whomever.
"""

import json
import logging
from datetime import UTC, datetime

import structlog

from secrets_vault.redaction import scrub


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, ids, and the traceback if any.

    The message and the traceback have passed the redacting filter, which keeps the latter in
    ``exc_text``; the ids pass it here (I17).
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: scrub(str(value)) for name, value in ids().items()},
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub(self.formatException(record.exc_info))
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = scrub(record.stack_info)
        return json.dumps(line)


def ids() -> dict[str, object]:
    """Return what is bound where this line is written."""
    return dict(structlog.contextvars.get_contextvars())


def logging_settings(*, as_json: bool, level: str) -> dict[str, object]:
    """Return Django's LOGGING: everything to standard error, redacted on its way (I17)."""
    console = {
        "class": "logging.StreamHandler",
        "formatter": "json" if as_json else "plain",
        "filters": ["redact"],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
            "json": {"()": "config.logs.JsonLines"},
        },
        # I17: whatever is logged, by whomever, passes here on its way out.
        "filters": {"redact": {"()": "secrets_vault.redaction.RedactingFilter"}},
        "handlers": {"console": console},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
            "paramiko": {"level": "CRITICAL"},
            # It tells every task it queues, each with a made-up name.
            "django-q": {"level": "WARNING"},
            # It tells each sign-in four times.
            "axes": {"level": "WARNING"},
            "invoke": {"level": "WARNING"},
            "fabric": {"level": "WARNING"},
        },
    }
