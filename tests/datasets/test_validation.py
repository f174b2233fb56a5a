"""Uploaded data is checked line by line: what is found, where, and what to do about it (F7, T4)."""

import json
from typing import Any

import pytest

from core.errors import InvalidInputError
from tests.builders import chat_rows, json_lines
from tests.datasets.checking import QUESTION_ANSWER, TURNS, check, check_rows


class TestGoodData:
    """What is accepted, and what becomes of it."""

    def test_chat_messages_are_ready_and_keep_role_and_content_alone(self) -> None:
        row = {"messages": [{**TURNS[0], "name": "Ada"}, TURNS[1]], "id": 7}

        result = check_rows(row)

        assert result.findings == []
        assert (result.outcome.format, result.outcome.rows) == ("chat", 13)
        assert result.rows[-1] == {"messages": TURNS}

    def test_prompts_with_completions_are_ready(self) -> None:
        rows = [{"prompt": f"{n}?", "completion": f"{n}.", "source": "x"} for n in range(10)]

        result = check(json_lines(rows))

        assert result.findings == []
        assert result.outcome.format == "prompt_completion"
        assert result.rows[3] == {"prompt": "3?", "completion": "3."}

    def test_a_mapping_says_which_columns_hold_the_parts(self) -> None:
        result = check_rows(mapping=QUESTION_ANSWER)

        assert result.findings == []
        assert result.outcome.format == "prompt_completion"
        assert result.rows[0] == {"prompt": "0?", "completion": "0."}

    def test_a_mapping_may_name_the_column_of_the_messages(self) -> None:
        rows = [{"turns": row["messages"]} for row in chat_rows()]

        result = check(json_lines(rows), {"messages": "turns"})

        assert (result.findings, result.outcome.format) == ([], "chat")
        assert result.rows == chat_rows()

    def test_windows_line_ends_blank_lines_and_a_missing_last_line_end_are_fine(self) -> None:
        lines = [json.dumps(row) for row in chat_rows()]

        result = check(("\r\n \r\n\r\n".join(lines)).encode())

        assert result.findings == []
        assert result.rows == chat_rows()

    def test_a_byte_order_mark_is_removed_and_told(self) -> None:
        result = check(b"\xef\xbb\xbf" + json_lines(chat_rows()))

        assert (result.only["code"], result.only["severity"]) == ("bom", "info")
        assert result.outcome.is_ready
        assert result.rows == chat_rows()

    def test_a_system_message_and_several_turns_are_fine(self) -> None:
        row = {"messages": [{"role": "system", "content": "Be brief."}, *TURNS, *TURNS]}

        assert check_rows(row).findings == []

    def test_any_script_survives_unchanged(self) -> None:
        text = 'naïve 東京 \U0001f680 \u2028 \\ " \t'
        row = {"messages": [{"role": "user", "content": text}, TURNS[1]]}

        assert check_rows(row).rows[-1]["messages"][0]["content"] == text

    def test_tokens_are_estimated_from_the_bytes_of_the_texts(self) -> None:
        rows = [{"prompt": "abcd" * 10, "completion": "é" * 20}] * 10

        outcome = check(json_lines(rows)).outcome

        # 40 bytes each: 10 tokens and 4 for the frame, for two texts in ten rows.
        assert outcome.tokens == 10 * 2 * (10 + 4)


class TestForms:
    """Which kind of data it is."""

    def test_unknown_columns_are_listed_and_the_likely_mapping_is_offered(self) -> None:
        result = check(json_lines([{"id": 1, "question": "2+2?", "answer": "4"}] * 20))

        assert (result.only["code"], result.only["line"]) == ("unknown_format", 1)
        assert "id, question, answer" in result.only["message"]
        assert '{"prompt": "question", "completion": "answer"}' in result.only["fix"]

    def test_columns_that_say_nothing_are_told_what_to_be_called(self) -> None:
        assert "prompt and completion" in check(json_lines([{"a": 1}] * 20)).only["fix"]

    def test_a_broken_first_row_does_not_decide_what_the_data_is(self) -> None:
        result = check(json_lines([{"prompt": "only"}, *chat_rows()]))

        assert (result.only["code"], result.only["line"]) == ("missing_key", 1)
        assert result.outcome.format == "chat"

    def test_a_row_of_another_form_is_found(self) -> None:
        result = check_rows({"prompt": "2+2?", "completion": "4"})

        assert (result.only["code"], result.only["line"]) == ("mixed_formats", 13)
        assert "prompt_completion" in result.only["message"]

    @pytest.mark.parametrize(
        "mapping",
        [
            {"prompt": "question"},
            {"prompt": "question", "completion": "question"},
            {"prompt": "question", "completion": ""},
            {"prompt": "question", "completion": 7},
            {"prompt": "question", "completion": ["a"]},
            {"prompt": "question", "completion": "answer", "system": "x"},
            {"question": "prompt", "answer": "completion"},
            {"messages": "x" * 201},
        ],
    )
    def test_a_mapping_that_maps_nothing_is_refused_with_an_example(
        self, mapping: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInputError) as refused:
            check(b"", mapping)

        assert refused.value.param == "mapping"
        assert '"prompt": "<column>"' in refused.value.remedy


class TestRows:
    """What is wrong within a row: the field is named with its place."""

    @pytest.mark.parametrize(
        ("messages", "code", "field"),
        [
            ([], "empty_messages", "messages"),
            ("Hello", "wrong_type", "messages"),
            ([TURNS[0], "Hello"], "wrong_type", "messages[1]"),
            ([{"content": "Hi"}, TURNS[1]], "missing_key", "messages[0].role"),
            ([TURNS[0], {"role": "assistant"}], "missing_key", "messages[1].content"),
            ([{"role": "human", "content": "Hi"}, TURNS[1]], "unknown_role", "messages[0].role"),
            ([{"role": ["user"], "content": "Hi"}], "unknown_role", "messages[0].role"),
            ([TURNS[0], {"role": "assistant", "content": " \n"}], "empty_content", "messages[1]"),
            ([TURNS[0], {"role": "assistant", "content": None}], "wrong_type", "messages[1]"),
            ([TURNS[0], {"role": "assistant", "content": "a\0b"}], "nul_or_surrogate", "messages"),
            ([TURNS[0], {"role": "assistant", "content": "\ud800"}], "nul_or_surrogate", "mess"),
            ([TURNS[0]], "no_assistant_message", "messages"),
        ],
    )
    def test_a_bad_conversation_is_an_error_with_its_place(
        self, messages: Any, code: str, field: str
    ) -> None:
        result = check_rows({"messages": messages})

        finding = result.only
        assert (finding["code"], finding["severity"], finding["line"]) == (code, "error", 13)
        assert finding["field"].startswith(field)
        assert finding["message"]
        assert finding["fix"]
        assert not result.outcome.is_ready

    @pytest.mark.parametrize(
        ("row", "code", "field"),
        [
            ({"question": "2+2?"}, "missing_key", "answer"),
            ({"question": "2+2?", "answer": ""}, "empty_content", "answer"),
            ({"question": 4, "answer": "4"}, "wrong_type", "question"),
            ({"question": "2\0?", "answer": "4"}, "nul_or_surrogate", "question"),
        ],
    )
    def test_a_bad_pair_names_the_uploaders_own_column(
        self, row: Any, code: str, field: str
    ) -> None:
        finding = check_rows(row, mapping=QUESTION_ANSWER).only

        assert (finding["code"], finding["field"], finding["line"]) == (code, field, 13)

    def test_the_role_of_another_tool_is_translated_in_the_fix(self) -> None:
        row = {"messages": [{"role": "gpt", "content": "Hi"}]}

        assert check_rows(row).only["fix"] == "Write assistant instead."

    def test_a_conversation_that_ends_with_a_question_is_a_warning(self) -> None:
        result = check_rows({"messages": [*TURNS, TURNS[0]]})

        assert (result.only["code"], result.only["severity"]) == (
            "last_message_not_assistant",
            "warning",
        )
        assert result.outcome.is_ready

    def test_everything_wrong_with_a_row_is_told_at_once(self) -> None:
        row = {"messages": [{"role": "human", "content": "Hi"}, {"role": "assistant"}, 7]}

        assert check_rows(row).codes == ["unknown_role", "missing_key", "wrong_type"]

    def test_a_bad_row_is_not_among_the_written_ones(self) -> None:
        result = check_rows({"messages": []})

        assert (result.rows, result.outcome.rows) == (chat_rows(), 12)


class TestTheWhole:
    """What only all rows together show."""

    def test_a_repeated_row_is_a_warning_whatever_its_other_columns(self) -> None:
        first = chat_rows()[0]

        result = check_rows({"id": 7, **first})

        assert (result.only["code"], result.only["line"]) == ("duplicate_rows", 13)
        assert (result.only["severity"], result.outcome.rows) == ("warning", 13)
        assert result.outcome.is_ready

    def test_one_row_is_too_few_to_train_and_to_measure(self) -> None:
        result = check(json_lines(chat_rows(1)))

        assert (result.only["code"], result.only["severity"]) == ("too_few_rows", "error")
        assert result.only["line"] is None

    def test_a_handful_of_rows_is_a_warning(self) -> None:
        result = check(json_lines(chat_rows(9)))

        assert (result.only["code"], result.only["severity"]) == ("too_few_rows", "warning")
        assert result.outcome.is_ready

    def test_ten_rows_are_enough(self) -> None:
        assert check(json_lines(chat_rows(10))).findings == []

    def test_after_a_hundred_findings_they_are_only_counted(self) -> None:
        result = check_rows(*[{"messages": []}] * 300)

        assert len(result.findings) == 100
        assert result.outcome.findings.totals == {"empty_messages": 300}
