"""Checks bytes as an upload is checked, and keeps what was written and found."""

import io
import json
from collections.abc import Mapping
from typing import Any

from datasets import validation
from tests.builders import chat_rows, json_lines

QUESTION_ANSWER = {"prompt": "question", "completion": "answer"}
TURNS = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]


class Result:
    """An outcome together with the rows that were written."""

    def __init__(self, content: bytes, mapping: Mapping[str, Any] | None) -> None:
        written: list[bytes] = []
        self.outcome = validation.check(io.BytesIO(content), mapping=mapping, write=written.append)
        self.rows = [json.loads(line) for line in b"".join(written).splitlines()]
        self.findings = self.outcome.findings.listed()
        self.codes = [finding["code"] for finding in self.findings]

    @property
    def only(self) -> dict[str, Any]:
        """The one finding there is."""
        (finding,) = self.findings
        return finding


def check(content: bytes, mapping: Mapping[str, Any] | None = None) -> Result:
    return Result(content, mapping)


def check_rows(*rows: Any, mapping: Mapping[str, Any] | None = None) -> Result:
    """Check these rows behind enough good ones that their number is no finding."""
    good: list[Any] = chat_rows()
    if mapping:
        good = [{"question": f"{n}?", "answer": f"{n}."} for n in range(12)]
    return check(json_lines([*good, *rows]), mapping)
