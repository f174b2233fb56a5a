"""Bringing a row of any form into the format that is trained on, or saying why it cannot be."""

from collections.abc import Callable, Mapping
from typing import Any

from datasets.forms import Form, form_of_row, mixed_formats
from datasets.preferences import read_openai, read_preference
from datasets.problems import Problems, text_in
from datasets.reading import Report, Row
from datasets.turns import check_order, read_turns

Content = dict[str, Any]


def normalised(row: Row, form: Form, report: Report) -> Content | None:
    """Return the row in the normalised form, or None after reporting what is wrong with it."""
    value = row.value
    for column in form.columns.values():
        if column not in value:
            _report_missing(row, form, report)
            return None
    problems = Problems(row, report)
    found = READERS[form.name](value, form, problems)
    return None if problems.found else found


def _report_missing(row: Row, form: Form, report: Report) -> None:
    other = form_of_row(row.value)
    if other is not None and other.name != form.name:
        report(mixed_formats(row, form, other))
        return
    problems = Problems(row, report)
    for column in form.columns.values():
        if column not in row.value:
            problems.add(
                "missing_key",
                column,
                f"The row has no {column}.",
                f"Give every row the columns {', '.join(form.columns.values())}.",
            )


def _chat(value: Mapping[str, Any], form: Form, problems: Problems) -> Content:
    column = form.columns["messages"]
    turns = read_turns(value[column], column, problems)
    if not problems.found:
        check_order(turns, column, problems)
    return {"messages": turns}


def _sharegpt(value: Mapping[str, Any], form: Form, problems: Problems) -> Content:
    column = form.columns["conversations"]
    turns = read_turns(value[column], column, problems, is_sharegpt=True)
    if not problems.found:
        check_order(turns, column, problems)
    return {"messages": turns}


def _alpaca(value: Mapping[str, Any], form: Form, problems: Problems) -> Content:
    """The instruction with its input is the user's turn."""
    columns = form.columns
    question = text_in(value[columns["instruction"]], columns["instruction"], problems)
    answer = text_in(value[columns["output"]], columns["output"], problems)
    column = form.optional.get("input", "")
    if given := value.get(column):
        question = f"{question}\n\n{text_in(given, column, problems)}"
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def _texts(value: Mapping[str, Any], form: Form, problems: Problems) -> Content:
    return {part: text_in(value[column], column, problems) for part, column in form.columns.items()}


READERS: dict[str, Callable[[Mapping[str, Any], Form, Problems], Content]] = {
    "chat": _chat,
    "sharegpt": _sharegpt,
    "openai_preference": read_openai,
    "preference": read_preference,
    "prompt_completion": _texts,
    "alpaca": _alpaca,
    "text": _texts,
}
