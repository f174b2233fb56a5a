"""Many plain rows at once: a block in which nothing is odd needs no look at each of its rows.

Most rows of most files are in order and already in the format that is trained on. pyarrow sees
that several times faster than Python reads them, and on other cores. Whatever it does not like is
left to the careful way, which is slower and says what is wrong.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple

from datasets import formats
from datasets.forms import Form
from datasets.reading.lines import raw_lines
from datasets.secrets_suspected import may_hold_secrets
from datasets.sizes import BYTES_A_TOKEN, TOKENS_A_MESSAGE
from datasets.turns import order_faults

BLOCK_BYTES = 4 * 1024**2
_AHEAD = 3
_THREADS = 2
_PARTS = {
    formats.PROMPT_COMPLETION: ("prompt", "completion"),
    formats.TEXT: ("text",),
    formats.PREFERENCE: ("prompt", "chosen", "rejected"),
}


class Plain(NamedTuple):
    """A block that is in order: its rows by their length in tokens, and what is learnt of them."""

    rows: bytes
    lengths: Mapping[int, int]
    answer_tokens: int


class Block(NamedTuple):
    """Some lines, counted from ``first``; ``plain`` is None where they need a careful look.

    A line that is too long to be held is None.
    """

    first: int
    lines: list[bytes | None]
    plain: Plain | None


def read_blocks(file: BinaryIO, form: Form) -> Iterator[Block]:
    """Yield the lines of ``file`` in blocks, looked at by other threads a few blocks ahead."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[tuple[int, list[bytes | None], Future[Plain | None]]] = deque()
        for first, lines in _blocks(file):
            waiting.append((first, lines, threads.submit(plain_rows, lines, form)))
            if len(waiting) > _AHEAD:
                yield _looked_at(*waiting.popleft())
        while waiting:
            yield _looked_at(*waiting.popleft())


def _looked_at(first: int, lines: list[bytes | None], plain: Future[Plain | None]) -> Block:
    return Block(first, lines, plain.result())


def _blocks(file: BinaryIO) -> Iterator[tuple[int, list[bytes | None]]]:
    lines: list[bytes | None] = []
    size = 0
    number = 0
    for number, line in raw_lines(file):
        lines.append(line)
        size += len(line) if line is not None else 0
        if size >= BLOCK_BYTES:
            yield number - len(lines) + 1, lines
            lines, size = [], 0
    if lines:
        # Only the file's last line may lack its end, and may repeat one that has it.
        if lines[-1] is not None and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        yield number - len(lines) + 1, lines


def plain_rows(lines: list[bytes | None], form: Form) -> Plain | None:
    """Return the lines as plain rows, None if anything about them is not as it should be."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    held = [line for line in lines if line is not None]
    if len(held) < len(lines) or not all(map(_is_whole, held)):
        return None
    block = b"".join(held)
    if b"\\u0000" in block or may_hold_secrets(block):
        return None
    try:
        if not block.isascii():
            block.decode()
        table = arrow_json.read_json(
            pa.BufferReader(block),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_schema(form), unexpected_field_behavior="error"
            ),
        ).combine_chunks()
        if table.num_rows != len(lines):
            return None
        measure = _measured_turns if form.format == formats.CHAT else _measured_parts
        measured = measure(table, form)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if measured is None:
        return None
    lengths, answer_tokens = measured
    counted = {one["values"]: one["counts"] for one in lengths.value_counts().to_pylist()}
    return Plain(block, counted, answer_tokens)


def may_be_plain(form: Form) -> bool:
    """Whether rows of a form may already be in the format that is trained on."""
    needed = ("messages",) if form.format == formats.CHAT else _PARTS[form.format]
    return form.parts == {part: part for part in needed}


def _is_whole(line: bytes) -> bool:
    """Whether an object begins and ends with the line; pyarrow itself does not mind lines."""
    return line.startswith(b"{") and line.endswith(b"}\n")


def _schema(form: Form) -> Any:
    import pyarrow as pa

    if form.format == formats.CHAT:
        turn = pa.struct([("role", pa.string()), ("content", pa.string())])
        return pa.schema([("messages", pa.list_(turn))])
    return pa.schema([(part, pa.string()) for part in _PARTS[form.format]])


def _measured_turns(table: Any, form: Form) -> tuple[Any, int] | None:
    """Return the length of each row and what is learnt of all, None if a turn is odd."""
    import pyarrow as pa
    from pyarrow import compute

    column = table.column("messages").chunk(0)
    turns = column.flatten()
    roles, contents = turns.field("role"), turns.field("content")
    if column.null_count or turns.null_count or roles.null_count:
        return None
    tokens = _tokens(contents)
    if tokens is None or not _take_turns(roles, column.offsets):
        return None
    # Sums up to each row's end; their differences are the rows' own.
    sums = compute.cumulative_sum(tokens).take(compute.subtract(column.offsets[1:], 1))
    before = pa.concat_arrays([pa.array([0], sums.type), sums[:-1]])
    answers = compute.sum(tokens.filter(compute.equal(roles, "assistant")))
    return compute.subtract(sums, before), int(answers.as_py())


def _take_turns(roles: Any, offsets: Any) -> bool:
    """Whether every conversation has an order in which nothing is odd."""
    import pyarrow as pa

    encoded = roles.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    if not set(names) <= formats.ROLES:
        return False
    codes = encoded.indices.cast(pa.int8()).buffers()[1].to_pybytes()
    places = offsets.to_pylist()
    orders = {codes[begin:end] for begin, end in itertools.pairwise(places)}
    return all(order and not order_faults(tuple(names[n] for n in order)) for order in orders)


def _measured_parts(table: Any, form: Form) -> tuple[Any, int] | None:
    """Return the length of each row and what is learnt of all, None if a text is odd."""
    from pyarrow import compute

    tokens = {}
    for part in _PARTS[form.format]:
        counted = _tokens(table.column(part).chunk(0))
        if counted is None:
            return None
        tokens[part] = counted
    if form.format == formats.PREFERENCE:
        same = compute.equal(table.column("chosen"), table.column("rejected"))
        if compute.any(same).as_py():
            return None
        learnt = compute.max_element_wise(tokens["chosen"], tokens["rejected"])
    else:
        learnt = tokens[_PARTS[form.format][-1]]
    rows = compute.add(tokens["prompt"], learnt) if "prompt" in tokens else learnt
    return rows, int(compute.sum(learnt).as_py())


def _tokens(texts: Any) -> Any:
    """Return the estimated tokens of each text; None when one is missing or blank."""
    import pyarrow as pa
    from pyarrow import compute

    sizes = compute.binary_length(texts)
    least = compute.min(sizes).as_py()
    if texts.null_count or not least or compute.any(compute.utf8_is_space(texts)).as_py():
        return None
    sizes = sizes.cast(pa.int64())
    return compute.add(compute.divide(sizes, BYTES_A_TOKEN), TOKENS_A_MESSAGE)
