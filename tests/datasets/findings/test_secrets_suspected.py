"""``secrets_suspected``: what looks like a key is warned of, and not repeated."""

import pytest

from tests.datasets.findings.broken import LINE, USER, check_rows, told

KEYS = [
    "sk-" + "Ab1" * 12,
    "hf_" + "Ab1" * 11,
    "ghp_" + "Ab1" * 12,
    "github_pat_" + "Ab1" * 12,
    "glpat-" + "Ab1" * 8,
    "xoxb-" + "12345-" * 5,
    "AKIA" + "ABCD2345" * 2,
    "AIza" + "Ab1-_" * 7,
    "secret_name_" + "Ab1" * 10,
    "-----BEGIN RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("key", KEYS, ids=[key[:6] for key in KEYS])
def test_a_key_in_an_answer(key: str) -> None:
    answer = {"role": "assistant", "content": f"Use {key} and go on."}

    finding = told(
        check_rows({"messages": [USER, answer]}), "secrets_suspected", severity="warning"
    )

    assert finding["line"] == LINE
    assert key not in str(finding)


@pytest.mark.parametrize(
    "text",
    ["ask-the-expert-about-the-long-history", "hf_ is a prefix", "BEGIN - xox - AKIA", "sk-"],
)
def test_words_that_only_begin_like_one_are_fine(text: str) -> None:
    answer = {"role": "assistant", "content": text}

    assert check_rows({"messages": [USER, answer]}).findings == []
