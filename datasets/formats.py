"""The shapes of training data: how each is recognised, checked and brought into one form.

Normalised rows are ``{"messages": [{"role", "content"}, ..]}`` or ``{"prompt", "completion"}``,
the two that TRL's SFTTrainer takes as they are (training-stack.md section 2).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInputError
from datasets.findings import Finding, Severity, excerpt_of
from datasets.reading import Report, Row

ROLES = ("system", "user", "assistant")
# The parts that the model learns to write; the others it only reads.
LEARNT = ("assistant", "completion")
CHAT = "chat"
PROMPT_COMPLETION = "prompt_completion"
# What other tools call a speaker.
_OTHER_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
# Columns that often hold a prompt or a completion, likeliest first.
_PROMPTS = ("prompt", "question", "instruction", "query", "input", "problem")
_COMPLETIONS = ("completion", "answer", "response", "output", "solution", "chosen", "target")
# JSON can spell both; neither UTF-8 nor PostgreSQL can hold them.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_MAX_COLUMN_CHARACTERS = 200


@dataclass(frozen=True)
class Form:
    """A format together with the columns that hold its parts."""

    format: str
    columns: Mapping[str, str]


_CHAT_FORM = Form(CHAT, {"messages": "messages"})
_PAIR_FORM = Form(PROMPT_COMPLETION, {"prompt": "prompt", "completion": "completion"})


def texts_of(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a normalised row as (who, text): roles, or prompt and completion."""
    if "messages" in content:
        return [(message["role"], message["content"]) for message in content["messages"]]
    return [(part, content[part]) for part in ("prompt", "completion")]


def form_of_mapping(mapping: Mapping[str, Any]) -> Form:
    """Return the form a mapping describes: ``{"prompt": "question", "completion": "answer"}``.

    Raises: InvalidInputError unless it names a column for both, or one for ``messages``.
    """
    for form in (_CHAT_FORM, _PAIR_FORM):
        if set(mapping) == set(form.columns):
            columns = [column for column in mapping.values() if _is_column_name(column)]
            if len(set(columns)) == len(mapping):
                return Form(form.format, dict(mapping))
    raise InvalidInputError(
        "The mapping does not say which column holds what.",
        remedy='Give {"prompt": "<column>", "completion": "<column>"} or {"messages": "<column>"}.',
        param="mapping",
    )


def _is_column_name(column: object) -> bool:
    return isinstance(column, str) and 0 < len(column) <= _MAX_COLUMN_CHARACTERS


def form_of_row(value: Mapping[str, Any]) -> Form | None:
    """Return the form a row has by its columns, or None."""
    for form in (_CHAT_FORM, _PAIR_FORM):
        if form.columns.keys() <= value.keys():
            return form
    return None


def unknown_format(row: Row) -> Finding:
    """Say which columns there are, and offer the mapping that looks right."""
    columns = list(row.value)
    prompt = next((name for name in _PROMPTS if name in columns), None)
    completion = next((name for name in _COMPLETIONS if name in columns), None)
    if prompt and completion:
        mapping = json.dumps({"prompt": prompt, "completion": completion})
        fix = f"Upload it again with the mapping {mapping}."
    elif "conversations" in columns:
        fix = (
            'Rename conversations to messages, and in each message "from" to "role" and "value" '
            'to "content"; the roles are user and assistant.'
        )
    else:
        fix = (
            "Name the columns messages, or prompt and completion, or upload it again with a "
            'mapping such as {"prompt": "<column>", "completion": "<column>"}.'
        )
    shown = excerpt_of(", ".join(columns)) or "none"
    return Finding(
        code="unknown_format",
        severity=Severity.ERROR,
        line=row.line,
        message=f"No form of training data has these columns: {shown}.",
        fix=fix,
        excerpt=excerpt_of(row.text),
    )


def normalised(row: Row, form: Form, report: Report) -> dict[str, Any] | None:
    """Return the row in the normalised form, or None after reporting what is wrong with it."""
    other = form_of_row(row.value)
    missing = [column for column in form.columns.values() if column not in row.value]
    if missing and other is not None:
        report(_mixed_formats(row, form, other))
        return None
    problems = _Problems(row, report)
    for column in missing:
        problems.add(
            "missing_key",
            column,
            f"The row has no {column}.",
            f"Give every row the columns {', '.join(form.columns.values())}.",
        )
    if missing:
        return None
    read = _messages if form.format == CHAT else _pair
    found = read(row, form, problems)
    return None if problems.found else found


def _mixed_formats(row: Row, form: Form, other: Form) -> Finding:
    return Finding(
        code="mixed_formats",
        severity=Severity.ERROR,
        line=row.line,
        message=f"The row is {other.format} data, the rows before it are {form.format}.",
        fix="Upload each kind as a dataset of its own.",
        excerpt=excerpt_of(row.text),
    )


class _Problems:
    """Reports what is wrong with one row and remembers whether anything was."""

    def __init__(self, row: Row, report: Report) -> None:
        self._row = row
        self._report = report
        self.found = False

    def add(self, code: str, field: str, message: str, fix: str) -> None:
        self.found = True
        self._finding(code, Severity.ERROR, field, message, fix)

    def warn(self, code: str, field: str, message: str, fix: str) -> None:
        self._finding(code, Severity.WARNING, field, message, fix)

    def _finding(self, code: str, severity: Severity, field: str, message: str, fix: str) -> None:
        self._report(
            Finding(
                code=code,
                severity=severity,
                line=self._row.line,
                field=excerpt_of(field),
                message=excerpt_of(message),
                fix=fix,
                excerpt=excerpt_of(self._row.text),
            )
        )


def _pair(row: Row, form: Form, problems: _Problems) -> dict[str, Any]:
    return {
        part: _text(row.value[column], column, problems) for part, column in form.columns.items()
    }


def _messages(row: Row, form: Form, problems: _Problems) -> dict[str, Any]:
    column = form.columns["messages"]
    given = row.value[column]
    if not isinstance(given, list):
        problems.add(
            "wrong_type",
            column,
            f"{column} is not a list.",
            "Give a list of messages, each with role and content.",
        )
        return {}
    if not given:
        problems.add(
            "empty_messages",
            column,
            "The conversation has no messages.",
            "Remove the row, or give it a question and an answer.",
        )
        return {}
    messages = list(_each_message(given, column, problems))
    if not problems.found:
        _check_turns(messages, column, problems)
    return {"messages": messages}


def _each_message(given: list[Any], column: str, problems: _Problems) -> Iterator[dict[str, str]]:
    for index, message in enumerate(given):
        field = f"{column}[{index}]"
        if not isinstance(message, dict):
            problems.add(
                "wrong_type",
                field,
                "A message is not an object.",
                'Write each message as {"role": "user", "content": "..."}.',
            )
            continue
        absent = [key for key in ("role", "content") if key not in message]
        for key in absent:
            problems.add(
                "missing_key",
                f"{field}.{key}",
                f"A message has no {key}.",
                "Give every message a role and a content.",
            )
        if absent:
            continue
        role = message["role"]
        if role not in ROLES:
            problems.add(
                "unknown_role", f"{field}.role", f"There is no role {role!r}.", _role_fix(role)
            )
            continue
        yield {"role": role, "content": _text(message["content"], f"{field}.content", problems)}


def _role_fix(role: object) -> str:
    meant = _OTHER_ROLES.get(role) if isinstance(role, str) else None
    if meant:
        return f"Write {meant} instead."
    return f"Use one of: {', '.join(ROLES)}."


def _check_turns(messages: list[dict[str, str]], column: str, problems: _Problems) -> None:
    roles = [message["role"] for message in messages]
    if "assistant" not in roles:
        problems.add(
            "no_assistant_message",
            column,
            "No message is the assistant's, so there is nothing to learn.",
            "Add the answer that the model should give.",
        )
    elif roles[-1] != "assistant":
        problems.warn(
            "last_message_not_assistant",
            column,
            f"The last message is the {roles[-1]}'s; nothing is learnt from it.",
            "End the conversation with the assistant's answer.",
        )


def _text(value: object, field: str, problems: _Problems) -> str:
    if not isinstance(value, str):
        problems.add("wrong_type", field, f"{field} is not a text.", "Give a text in quotes.")
        return ""
    if not value.strip():
        problems.add("empty_content", field, f"{field} is empty.", "Fill it in, or remove the row.")
    if _NOT_TEXT.search(value):
        problems.add(
            "nul_or_surrogate",
            field,
            f"{field} holds a NUL character or half of a surrogate pair.",
            "Remove it: it is no text, and often the trace of a wrong conversion.",
        )
    return value
