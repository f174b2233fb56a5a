"""``bom``: a byte order mark is removed, and that is told."""

from tests.builders import chat_rows, json_lines
from tests.datasets.findings.broken import check, told


def test_a_mark_before_the_first_row_is_mended() -> None:
    result = check(b"\xef\xbb\xbf" + json_lines(chat_rows()))

    told(result, "bom", severity="info")
    assert result.rows == chat_rows()
