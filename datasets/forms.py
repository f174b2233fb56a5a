"""The shapes in which people have training data, and how each is recognised by its columns."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInputError
from datasets import formats
from datasets.findings import Finding, Severity, excerpt_of
from datasets.reading import Row

MAX_COLUMNS_SHOWN = 40
_MAX_COLUMN_CHARACTERS = 200


@dataclass(frozen=True)
class Form:
    """A shape of uploaded rows: which parts it has and in which columns they stand.

    ``columns`` are the needed ones by part, ``optional`` those that may be missing. ``format`` is
    what its rows become.
    """

    name: str
    label: str
    format: str
    columns: Mapping[str, str]
    optional: Mapping[str, str]

    @property
    def parts(self) -> dict[str, str]:
        """All parts with their columns."""
        return {**self.columns, **self.optional}

    def has(self, columns: Iterable[str]) -> bool:
        """Whether rows with these columns have this form."""
        return self.columns.keys() <= set(columns)


def _form(name: str, label: str, form: str, needed: str, optional: str = "") -> Form:
    return Form(
        name=name,
        label=label,
        format=form,
        columns={part: part for part in needed.split()},
        optional={part: part for part in optional.split()},
    )


# In the order in which they are looked for: a row with more of the columns comes first.
FORMS = (
    _form("chat", "Chat", formats.CHAT, "messages"),
    _form("sharegpt", "ShareGPT", formats.CHAT, "conversations"),
    _form(
        "openai_preference",
        "Preference, as OpenAI has it",
        formats.PREFERENCE,
        "input preferred_output non_preferred_output",
    ),
    _form("preference", "Preference", formats.PREFERENCE, "chosen rejected", "prompt"),
    _form(
        "prompt_completion", "Prompt and completion", formats.PROMPT_COMPLETION, "prompt completion"
    ),
    _form("alpaca", "Alpaca", formats.CHAT, "instruction output", "input"),
    _form("text", "Text", formats.TEXT, "text"),
)
KNOWN_COLUMNS = frozenset(part for form in FORMS for part in form.parts)
# What a part is often called elsewhere, likeliest first.
_ALIASES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversation", "dialog", "dialogue", "chat", "turns"),
    "conversations": ("conversations", "conversation"),
    "prompt": ("prompt", "question", "instruction", "query", "input", "problem"),
    "completion": ("completion", "answer", "response", "output", "solution", "target"),
    "chosen": ("chosen", "accepted", "preferred", "better", "winner", "response_chosen"),
    "rejected": ("rejected", "dispreferred", "worse", "loser", "response_rejected"),
    "text": ("text", "content", "document", "body", "passage"),
    "instruction": ("instruction",),
    "input": ("input", "context"),
    "output": ("output", "response"),
}
_GUESSED = ("preference", "alpaca", "prompt_completion", "chat", "text")


def form_of_row(value: Mapping[str, Any]) -> Form | None:
    """Return the form a row has by its columns, or None."""
    return next((form for form in FORMS if form.has(value)), None)


def form_of_mapping(mapping: Mapping[str, Any]) -> Form:
    """Return the form a mapping describes: ``{"prompt": "question", "completion": "answer"}``.

    Raises: InvalidInputError unless it names a column of its own for each needed part of a form.
    """
    columns = [column for column in mapping.values() if _is_column_name(column)]
    if len(set(columns)) == len(mapping):
        for form in FORMS:
            if form.has(mapping) and mapping.keys() <= form.parts.keys():
                return Form(
                    name=form.name,
                    label=form.label,
                    format=form.format,
                    columns={part: mapping[part] for part in form.columns},
                    optional={part: mapping[part] for part in form.optional if part in mapping},
                )
    parts = "; ".join(", ".join(form.columns) for form in FORMS)
    raise InvalidInputError(
        "The mapping does not say which column holds what.",
        remedy='Give {"prompt": "<column>", "completion": "<column>"}, or name a column for each '
        f"part of another form: {parts}.",
        param="mapping",
    )


def _is_column_name(column: object) -> bool:
    return isinstance(column, str) and 0 < len(column) <= _MAX_COLUMN_CHARACTERS


def guessed_mapping(value: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the mapping that looks right for a row of unknown columns, None without a guess."""
    if turns := _turns_column(value):
        return turns
    by_name = {name.casefold(): name for name in reversed(list(value))}
    for form in (form for name in _GUESSED for form in FORMS if form.name == name):
        mapping: dict[str, str] = {}
        for part in form.parts:
            known = (by_name.get(alias) for alias in _ALIASES[part])
            column = next((name for name in known if name not in (None, *mapping.values())), None)
            if column is not None:
                mapping[part] = column
        if form.has(mapping):
            return mapping
    return None


def _turns_column(value: Mapping[str, Any]) -> dict[str, str] | None:
    """A column that holds a list of messages needs no name to be known."""
    for column, cell in value.items():
        if isinstance(cell, list) and cell and isinstance(cell[0], dict):
            if {"role", "content"} <= cell[0].keys():
                return {"messages": column}
            if {"from", "value"} <= cell[0].keys():
                return {"conversations": column}
    return None


def unknown_format(row: Row) -> Finding:
    """Say which columns there are, and offer the mapping that looks right."""
    mapping = guessed_mapping(row.value)
    if mapping is not None:
        fix = f"Read it again with the mapping {json.dumps(mapping, ensure_ascii=False)}."
    else:
        fix = (
            "Name the columns messages, or prompt and completion, or read it again with a "
            'mapping such as {"prompt": "<column>", "completion": "<column>"}.'
        )
    shown = ", ".join(list(row.value)[:MAX_COLUMNS_SHOWN])
    return Finding(
        code="unknown_format",
        severity=Severity.ERROR,
        line=row.line,
        message=f"No form of training data has these columns: {excerpt_of(shown) or 'none'}.",
        fix=excerpt_of(fix, limit=400),
        excerpt=excerpt_of(row.text),
    )


def mixed_formats(row: Row, form: Form, other: Form) -> Finding:
    """Say that a row has another form than the rows before it."""
    return Finding(
        code="mixed_formats",
        severity=Severity.ERROR,
        line=row.line,
        message=f"The row is {other.name} data, the rows before it are {form.name}.",
        fix="Upload each kind as a dataset of its own.",
        excerpt=excerpt_of(row.text),
    )
