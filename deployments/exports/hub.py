"""The Hugging Face Hub, through its own library: whose token it is, and putting files there.

The library is imported where it is used: it is large, and most processes never speak to the Hub.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from core.errors import SlipwayError

PROVIDER = "huggingface"
LABEL = "Hugging Face"
# Files over plain HTTP, as the tests show it: the Hub skips those that it has. Nothing is told to
# others about our use, and no token of this server's own is ever sent.
LIBRARY = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
}
WRITE = "Use a token that may write to this repository; tokens are made on the Hub's settings page."
Told = Callable[[int], None]


class HubError(SlipwayError):
    """The Hub refused; asking again changes nothing until somebody acts."""

    code = "E_HUB_REFUSED"
    type = "provider_error"
    http_status = 502
    retryable = False


class HubTokenError(HubError):
    """The Hub does not take the token."""

    code = "E_HUB_TOKEN"


class HubUnreachableError(HubError):
    """The Hub did not answer, or not well; asking again may help."""

    code = "E_HUB_UNREACHABLE"
    retryable = True


@dataclass(frozen=True)
class HubFile:
    """One file for a repository: its name there, and its bytes or where they are."""

    name: str
    content: Path | bytes


@dataclass(frozen=True)
class Pushed:
    """Where it is now; ``commit`` is "" when all of it was there already."""

    url: str
    commit: str


def whoami(token: str) -> str:
    """Return the name of the account that a token belongs to; raises HubError."""
    try:
        return str(_client(token).whoami()["name"])
    except Exception as error:
        raise told_of(error) from error


def upload(
    files: Sequence[HubFile], *, repo_id: str, private: bool, token: str, message: str, told: Told
) -> Pushed:
    """Put files into a repository in one commit; what is there already is not sent again.

    The repository is made when it is not there; one that is keeps who may see it. ``told`` hears
    after each file how many are there. Raises: HubError.
    """
    api = _client(token)
    from huggingface_hub import CommitOperationAdd

    try:
        repo = api.create_repo(repo_id, private=private, exist_ok=True)
        additions = [CommitOperationAdd(file.name, file.content) for file in files]
        for number, addition in enumerate(additions, start=1):
            api.preupload_lfs_files(repo.repo_id, [addition], free_memory=False)
            told(number)
        done = api.create_commit(repo.repo_id, additions, commit_message=message)
    except Exception as error:
        raise told_of(error) from error
    return Pushed(url=str(repo), commit=str(done.oid or ""))


def told_of(error: BaseException) -> HubError:
    """Return what an error of the library means to a user; our own come back as they are."""
    if isinstance(error, HubError):
        return error
    status, words = _answer_of(error)
    if status == 401:
        return HubTokenError("The Hub does not take the token.", remedy=WRITE)
    if status == 403:
        return HubError(f"The Hub says that this token may not do that. {words}", remedy=WRITE)
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return HubError(
            f"The Hub refused ({status}). {words}",
            remedy="Correct what it names, then push again: only what is missing is sent.",
        )
    return HubUnreachableError(
        f"The Hub did not answer as it should: {words}",
        remedy="Push again later: only what is missing is sent.",
    )


def _answer_of(error: BaseException | None) -> tuple[int | None, str]:
    """Return the HTTP status behind an error, which may be wrapped in others, and its words."""
    words = ""
    while error is not None:
        response = getattr(error, "response", None)
        words = f"{type(error).__name__}: {error}"[:300]
        if response is not None:
            said = getattr(error, "server_message", None) or ""
            return int(response.status_code), str(said or words)[:300]
        error = error.__cause__
    return None, words


def _client(token: str) -> Any:
    os.environ.update(LIBRARY)
    from huggingface_hub import HfApi

    return HfApi(endpoint=settings.HF_ENDPOINT or None, token=token, library_name="slipway")
