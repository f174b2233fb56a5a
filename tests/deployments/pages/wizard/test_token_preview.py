"""Which part of a row is trained on, and what is cut: each answer of a preference by itself."""

import pytest

from deployments import drafts
from deployments.models import Draft
from deployments.pages.wizard import token_preview
from tests import builders

pytestmark = pytest.mark.django_db


def preference_draft(*, max_length: int) -> Draft:
    rows = [
        {"prompt": f"{number:040d}", "chosen": "c" * 80, "rejected": "r" * 80}
        for number in range(12)
    ]
    dataset = builders.make_dataset(content=builders.json_lines(rows))
    values = {"method": "dpo", "hyperparameters": {"max_length": max_length}}
    return drafts.begin(dataset.user, dataset=dataset, values=values)


def test_the_second_answer_follows_the_prompt_and_not_the_first() -> None:
    # 14 tokens of prompt and 24 of each answer.
    preview = token_preview.of(preference_draft(max_length=40), asked="1")

    assert preview is not None
    assert [piece.is_cut for piece in preview.pieces] == [False, False, False]
    assert (preview.tokens, preview.cut_tokens) == (14 + 24 + 24, 0)


def test_both_are_cut_where_the_max_length_ends() -> None:
    preview = token_preview.of(preference_draft(max_length=30), asked="1")

    assert preview is not None
    assert [piece.who for piece in preview.pieces if piece.is_cut] == ["Chosen", "Rejected"]
    assert preview.cut_tokens == 2 * (14 + 24 - 30)
