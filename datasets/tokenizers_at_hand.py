"""Counting tokens exactly, with the base model's own tokenizer.json and chat template.

What a template makes of a conversation is what the trainer will see, so it is rendered here too,
in Jinja's sandbox: templates are code from elsewhere.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from datasets import formats
from datasets.sizes import RowSize

TOKENIZER_FILE = "tokenizer.json"
_TEMPLATE_FILE = "chat_template.jinja"
_CONFIG_FILE = "tokenizer_config.json"
_LARGEST_TEMPLATE_CHARACTERS = 200_000


class TemplateError(Exception):
    """The chat template does not take a conversation; its words are the message."""


@dataclass(frozen=True)
class ModelTokenizer:
    """A model's tokeniser and chat template; ``template`` is "" where it has none."""

    file: Path
    template: str
    special: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """What counts are kept under: another tokeniser or template is another key."""
        content = self.file.read_bytes() + self.template.encode()
        return hashlib.sha256(content).hexdigest()[:32]

    @cached_property
    def _tokenizer(self) -> Any:
        # Twenty megabytes that only whoever counts should pay for.
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self.file))

    @cached_property
    def _rendered(self) -> jinja2.Template:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
            autoescape=False,  # it makes what a model reads, not a page
        )
        # What transformers gives templates besides (utils/chat_template_utils.py of 5.23).
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _strftime_now
        environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
        return environment.from_string(self.template)

    def sizes(self, rows: Iterable[Mapping[str, Any]]) -> list[RowSize]:
        """Return the tokens of each normalised row.

        Raises: TemplateError when the chat template does not take a conversation.
        """
        texts = [text for row in rows for text in self._texts(row)]
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        counts = iter([len(one.ids) for one in encoded])
        # Whole and beginning, for each of a row's readings.
        pairs = zip(counts, counts, strict=True)
        return [_size(first, second) for first, second in zip(pairs, pairs, strict=True)]

    def _texts(self, row: Mapping[str, Any]) -> list[str]:
        """Return what is read of a row twice over: whole, and up to where the answer begins."""
        if "messages" in row:
            messages = row["messages"]
            first = next(at for at, one in enumerate(messages) if one["role"] == "assistant")
            # Templates may refuse what has no message at all.
            begin = self._render(messages[:first], asks=True) if first else ""
            return [self._render(messages), begin] * 2
        if "text" in row:
            return [row["text"], ""] * 2
        answers = (row["completion"],) * 2 if "completion" in row else _answers(row)
        prompt = row["prompt"]
        if isinstance(prompt, str):
            return [text for answer in answers for text in (prompt + answer, prompt)]
        begin = self._render(prompt, asks=True)
        return [text for answer in answers for text in (self._render([*prompt, *answer]), begin)]

    def _render(self, messages: list[dict[str, str]], *, asks: bool = False) -> str:
        try:
            return self._rendered.render(
                messages=messages, add_generation_prompt=asks, **self.special
            )
        except (jinja2.TemplateError, TemplateError, ValueError, TypeError, KeyError) as error:
            raise TemplateError(str(error)) from error


def tokenizer_in(folder: Path) -> ModelTokenizer | None:
    """Return the tokeniser of a model's folder; None where it has no tokenizer.json."""
    file = folder / TOKENIZER_FILE
    if not file.is_file():
        return None
    try:
        config = json.loads((folder / _CONFIG_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        config = {}
    template = folder / _TEMPLATE_FILE
    text = template.read_text("utf-8") if template.is_file() else config.get("chat_template") or ""
    if not isinstance(text, str) or len(text) > _LARGEST_TEMPLATE_CHARACTERS:
        text = ""
    special = {name: _word(config.get(name)) for name in ("bos_token", "eos_token", "pad_token")}
    return ModelTokenizer(file, text, special)


def _answers(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[part] for part in formats.ANSWERS)


def _size(first: tuple[int, int], second: tuple[int, int]) -> RowSize:
    """The longer of two readings: both answers of a preference have to fit."""
    total, begin = max(first, second)
    return RowSize(total, begin)


def _word(token: object) -> str:
    """A special token is a text, or an object that holds one."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005  # as the trainer's, on its machine's clock


class _Generation(Extension):
    """``{% generation %}``, with which templates mark the assistant's part; it adds nothing."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
