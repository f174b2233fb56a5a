"""Tokens are counted exactly where the model's tokeniser is at hand, once for each of them."""

from pathlib import Path

import pytest

from datasets import counting, services
from datasets.counting import counts_of
from datasets.tokenizers_at_hand import ModelTokenizer, tokenizer_in
from tests.builders import make_dataset
from tests.datasets.findings.broken import BAD, GOOD, USER
from tests.datasets.models import model_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("row", "total", "before"),
    [
        # user 2+2? end assistant 4 end; user 2+2? end assistant
        ({"messages": [USER, GOOD]}, 6, 4),
        ({"prompt": "two and two", "completion": " make four"}, 5, 3),
        ({"text": "two and two make four"}, 5, 0),
        ({"prompt": "a b c", "chosen": " d e", "rejected": " d e f g"}, 7, 3),
        (
            {"prompt": [USER], "chosen": [GOOD], "rejected": [{**BAD, "content": "5 or 6"}]},
            8,
            4,
        ),
    ],
)
def test_rows_are_counted_as_the_model_reads_them(
    tmp_path: Path, row: dict[str, object], total: int, before: int
) -> None:
    ((counted_total, counted_before),) = model_in(tmp_path).sizes([row])

    assert (counted_total, counted_before) == (total, before)


def test_counts_are_exact_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset()
    tokenizer = model_in(tmp_path)

    counts = counts_of(dataset, tokenizer)

    assert counts is not None
    # user What is 1 plus 1? end assistant It is 2. end
    assert (counts.is_exact, counts.lengths.tokens) == (True, 12 * 12)
    monkeypatch.setattr(ModelTokenizer, "sizes", None)
    dataset.refresh_from_db()
    assert counts_of(dataset, tokenizer) == counts


def test_another_tokeniser_is_counted_anew(tmp_path: Path) -> None:
    dataset = make_dataset()
    (tmp_path / "other").mkdir()

    one = counts_of(dataset, model_in(tmp_path))
    other = counts_of(dataset, model_in(tmp_path / "other", template="{{ messages[0].content }}"))

    assert one is not None
    assert other is not None
    assert one.lengths.tokens > other.lengths.tokens


def test_without_a_tokeniser_they_are_estimated() -> None:
    dataset = make_dataset()

    counts = counts_of(dataset, None)

    assert counts is not None
    assert not counts.is_exact
    assert counts.lengths == services.row_lengths(dataset)


def test_large_data_keeps_the_estimate_of_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "EXACT_UP_TO_BYTES", 10)
    monkeypatch.setattr(counting, "ESTIMATED_UP_TO_BYTES", 10)

    counts = counts_of(make_dataset(), model_in(tmp_path))

    assert counts is not None
    assert (counts.is_exact, counts.before_answers) == (False, None)


def test_data_with_errors_has_no_counts() -> None:
    assert counts_of(make_dataset(content=b'{"messages": []}\n'), None) is None


def test_a_folder_without_a_tokeniser_has_none(tmp_path: Path) -> None:
    assert tokenizer_in(tmp_path) is None


def test_the_template_may_stand_in_the_tokenisers_settings(tmp_path: Path) -> None:
    model_in(tmp_path, template=None)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"chat_template": "{{ bos_token }} {{ messages[0].content }}", '
        '"bos_token": {"content": "begin"}}'
    )

    tokenizer = tokenizer_in(tmp_path)

    assert tokenizer is not None
    assert tokenizer.sizes([{"messages": [USER, GOOD]}])[0].total == 2


def test_t22_a_template_reaches_nothing_but_its_values(tmp_path: Path) -> None:
    tokenizer = model_in(tmp_path, template="{{ messages.__class__.__mro__ }}")

    with pytest.raises(Exception, match="unsafe"):
        tokenizer.sizes([{"messages": [USER, GOOD]}])


# As Qwen's: it reads the first message before it asks whether there is one.
READS_THE_FIRST = "{{ messages[0]['role'] }} {% for m in messages %}{{ m.content }} {% endfor %}"


def test_a_conversation_may_begin_with_the_answer(tmp_path: Path) -> None:
    tokenizer = model_in(tmp_path, template=READS_THE_FIRST)

    (size,) = tokenizer.sizes([{"messages": [GOOD, USER, GOOD]}])

    assert size.before_answer == 0
    assert size.total > 0


def test_a_template_may_ask_for_the_day_and_write_json(tmp_path: Path) -> None:
    """As transformers lets it (utils/chat_template_utils.py of 5.23)."""
    template = (
        "{{ strftime_now('%Y') }} {% if 'é' in ('é' | tojson) %}one{% else %}one two{% endif %}"
    )

    (size,) = model_in(tmp_path, template=template).sizes([{"messages": [USER, GOOD]}])

    assert size.total == 2
