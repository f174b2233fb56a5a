"""Taking secrets out of a cloud's texts before anybody keeps or shows them (I17)."""

import base64
import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from urllib.parse import quote

HIDDEN = "[hidden]"
# Pieces of a secret this long are hidden as well; shorter ones may be ordinary words.
PIECE_CHARACTERS = 8

# Lambda's lists carry live log-ins to the machines' notebooks.
_NOTEBOOK_LOGIN = re.compile(r"""(jupyter_(?:token|url)\\?["']?\s*[:=]\s*)(?:\\?["'])?[^"',}\s]*""")
# A cloud that refuses user data may quote it; to its end, or to that of the text.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def scrub(text: str, *, secrets: Iterable[str]) -> str:
    """Return a text on one line, without the secrets, their encodings, and pieces of them."""
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _NOTEBOOK_LOGIN.sub(rf"\1{HIDDEN}", text)
    text = _hide_pieces(text, [form for secret in secrets for form in _forms(secret)])
    return _CONTROL.sub(" ", text).strip()


def _forms(secret: str) -> tuple[str, ...]:
    encoded = secret.encode()
    basic = f"{secret}:".encode()
    return (
        secret,
        quote(secret, safe=""),
        base64.b64encode(encoded).decode(),
        base64.b64encode(basic).decode(),
    )


def _hide_pieces(text: str, secrets: list[str]) -> str:
    """Hide every run of letters that consists of pieces of the secrets."""
    covered = [False] * len(text)
    for secret in filter(None, secrets):
        length = min(PIECE_CHARACTERS, len(secret))
        pieces = {secret[i : i + length] for i in range(len(secret) - length + 1)}
        for start in range(len(text) - length + 1):
            if text[start : start + length] in pieces:
                covered[start : start + length] = [True] * length
    runs = groupby(zip(text, covered, strict=True), key=itemgetter(1))
    return "".join(
        HIDDEN if hidden else "".join(letter for letter, _ in run) for hidden, run in runs
    )
