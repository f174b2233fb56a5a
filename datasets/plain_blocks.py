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
from datasets.reading import rows
from datasets.secrets_suspected import may_hold_secrets
from datasets.sizes import BYTES_A_TOKEN, TOKENS_A_MESSAGE
from datasets.turns import order_faults

BLOCK_BYTES = 2 * 1024**2
_AHEAD = 4
_THREADS = 2
_PARTS = {
    formats.PROMPT_COMPLETION: ("prompt", "completion"),
    formats.TEXT: ("text",),
    formats.PREFERENCE: ("prompt", "chosen", "rejected"),
}


class Plain(NamedTuple):
    """What is known of a block in order: its rows by their length, and what is learnt of them."""

    lengths: Mapping[int, int]
    answer_tokens: int


class Block(NamedTuple):
    """Some lines, counted from ``first``; a line that is too long to be held is None.

    ``content`` is all of them with their ends; ``is_as_uploaded`` is False where one was added.
    """

    first: int
    lines: list[bytes | None]
    content: bytes
    is_as_uploaded: bool


def read_blocks(file: BinaryIO, form: Form) -> Iterator[tuple[Block, Plain | None]]:
    """Yield ``file`` in blocks, with None for a block whose lines need a careful look.

    Other threads look at the blocks, a few ahead.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[tuple[Block, Future[Plain | None]]] = deque()
        for block in _blocks(file):
            waiting.append((block, threads.submit(looked_at, block, form)))
            if len(waiting) > _AHEAD:
                first, plain = waiting.popleft()
                yield first, plain.result()
        for first, plain in waiting:
            yield first, plain.result()


def _blocks(file: BinaryIO) -> Iterator[Block]:
    limit = rows.MAX_ROW_BYTES
    first = 1
    while content := file.read(BLOCK_BYTES):
        if not content.endswith(b"\n"):
            content += file.readline(limit + 2)
        is_cut = not content.endswith(b"\n")
        if is_cut:
            content += b"\n"
        lines: list[bytes | None] = [*content[:-1].split(b"\n")]
        if len(content) > limit:
            lines = [line if _is_short(line, limit) else None for line in lines]
        if is_cut and lines[-1] is None:
            _skip_line(file)
        yield Block(first, lines, content, not is_cut)
        first += len(lines)


def _is_short(line: bytes | None, limit: int) -> bool:
    return line is not None and len(line.removesuffix(b"\r")) <= limit


def _skip_line(file: BinaryIO) -> None:
    while (line := file.readline(BLOCK_BYTES)) and not line.endswith(b"\n"):
        pass


def looked_at(block: Block, form: Form) -> Plain | None:
    """Return what is known of a block of plain rows, None if anything is not as it should be."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    content = block.content
    if not all(map(_is_whole, block.lines)) or may_hold_secrets(content):
        return None
    try:
        if not content.isascii():
            content.decode()
        table = arrow_json.read_json(
            pa.BufferReader(content),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(content) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_schema(form), unexpected_field_behavior="error"
            ),
        ).combine_chunks()
        if table.num_rows != len(block.lines):
            return None
        measure = _measured_turns if form.format == formats.CHAT else _measured_parts
        measured = measure(table, form)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if measured is None:
        return None
    lengths, answer_tokens = measured
    counted = {one["values"]: one["counts"] for one in lengths.value_counts().to_pylist()}
    return Plain(counted, answer_tokens)


def may_be_plain(form: Form) -> bool:
    """Whether rows of a form may already be in the format that is trained on."""
    needed = ("messages",) if form.format == formats.CHAT else _PARTS[form.format]
    return form.parts == {part: part for part in needed}


def _is_whole(line: bytes | None) -> bool:
    """Whether an object begins and ends with the line; pyarrow itself does not mind lines."""
    return line is not None and line.startswith(b"{") and line.endswith(b"}")


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
    """Return the estimated tokens of each text; None when one is missing, blank or holds NUL."""
    import pyarrow as pa
    from pyarrow import compute

    sizes = compute.binary_length(texts)
    least = compute.min(sizes).as_py()
    if texts.null_count or not least or compute.any(compute.utf8_is_space(texts)).as_py():
        return None
    if b"\0" in texts.buffers()[2].to_pybytes():
        return None
    sizes = sizes.cast(pa.int64())
    return compute.add(compute.divide(sizes, BYTES_A_TOKEN), TOKENS_A_MESSAGE)
