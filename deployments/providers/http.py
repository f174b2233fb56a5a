"""One request to a cloud's API: sent at most once, answered or not, and nothing leaked (D9)."""

import json
import math
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from deployments.providers.base import (
    Pacer,
    ProviderAuthError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RequestKind,
)
from deployments.providers.scrubbing import scrub

# Some edges turn the default agents of libraries away (Lambda's answers Python-urllib with 403).
USER_AGENT = "slipway/0.1"
CONNECT_TIMEOUT_SECONDS = 5
BODY_LIMIT_BYTES = 8 * 1024 * 1024
STREAM_LIMIT_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024
EXCERPT_CHARACTERS = 300
LONGEST_RETRY_AFTER_SECONDS = 3600.0


class NeverReachedError(ProviderUnavailableError):
    """No connection came about, so nothing was asked."""


class CertificateError(ProviderUnavailableError):
    """The other side could not prove who it is, so nothing was asked; a cause for alarm (F22)."""

    retryable = False


class AnswerLostError(ProviderUnavailableError):
    """The request may have been read and obeyed, but no whole answer came back (D2)."""


@dataclass(frozen=True)
class Answer:
    """What came back: a status and, if the body was JSON, its content.

    ``text`` is the scrubbed beginning of a body that is not JSON.
    """

    status: int
    is_json: bool
    content: object = None
    text: str = ""
    retry_after_seconds: float | None = None


class _BearerAuth(AuthBase):
    """Puts the key in the header, and thereby keeps requests from looking into ~/.netrc."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


class HttpClient:
    """Sends requests under one key. Never repeats one, never follows a redirect."""

    def __init__(self, *, label: str, base_url: str, api_key: str, pacer: Pacer) -> None:
        self._label = label
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._pacer = pacer

    def request(
        self,
        method: str,
        path: str,
        *,
        kind: RequestKind,
        timeout_seconds: float,
        body: dict[str, object] | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Raises: AnswerLostError when the request may have been obeyed. Every other ProviderError
        (ProviderBusyError from the pacer included) says that it never left.
        """
        with self._sent(method, path, kind=kind, timeout_seconds=timeout_seconds, body=body) as (
            response,
            sent_at,
        ):
            give_up = sent_at + CONNECT_TIMEOUT_SECONDS + timeout_seconds
            return self._read(response, give_up=give_up)

    def stream(
        self, path: str, *, kind: RequestKind, quiet_seconds: float, limit_seconds: float
    ) -> Answer | str:
        """Return what a stream of server-sent events brings until it pauses, ends, or is long.

        An ``Answer`` where it is refused. Raises as ``request`` does.
        """
        with self._sent(
            "GET",
            path,
            kind=kind,
            timeout_seconds=quiet_seconds,
            accept="text/event-stream, application/json",
        ) as (response, sent_at):
            give_up = sent_at + limit_seconds
            if response.status_code != 200:
                return self._read(response, give_up=give_up)
            return self._read_until_quiet(response, give_up=give_up)

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        *,
        kind: RequestKind,
        timeout_seconds: float,
        body: dict[str, object] | None = None,
        accept: str = "application/json",
    ) -> Iterator[tuple[requests.Response, float]]:
        """Hand over the answer's beginning, and when the request was sent."""
        self._check_key_is_sendable()
        self._check_address_is_private()
        self._pacer.wait(kind)
        sent_at = time.monotonic()
        try:
            # A connection of its own for each request: a kept one may be dead without our
            # knowing, and a launch sent into it would count as a lost answer.
            with requests.request(
                method,
                f"{self._base_url}{path}",
                json=body,
                auth=_BearerAuth(self._api_key),
                headers={
                    "User-Agent": USER_AGENT,
                    "Accept": accept,
                    "Accept-Encoding": "identity",
                },
                timeout=(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                yield response, sent_at
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            HTTPException,
            OSError,
            ValueError,
        ) as error:
            # Their texts may hold the key (a header that could not be sent, for one).
            raise self._translated(error) from None

    def _check_key_is_sendable(self) -> None:
        if not self._api_key or not all("!" <= letter <= "~" for letter in self._api_key):
            raise ProviderAuthError(
                f"The {self._label} key in the vault is not a key: it is empty or has spaces or "
                "other letters that no key has.",
                remedy="Store the key again, exactly as the cloud shows it.",
            )

    def _check_address_is_private(self) -> None:
        """T7: the key travels encrypted, or stays on this machine."""
        parts = urlsplit(self._base_url)
        if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)):
            return
        raise ProviderRefusedError(
            f"The address of {self._label}'s API is not https, so the key was not sent.",
            remedy="Set the address to one that begins with https:// (http only on this machine).",
        )

    def _read(self, response: requests.Response, *, give_up: float) -> Answer:
        body = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise self._lost("the answer is too long")
            if time.monotonic() > give_up:
                raise self._lost("the answer came too slowly")
        retry_after = retry_after_seconds(response.headers.get("Retry-After"))
        try:
            content = json.loads(bytes(body))
        except (ValueError, RecursionError):
            text = bytes(body[: 4 * EXCERPT_CHARACTERS]).decode(errors="replace")
            return Answer(
                response.status_code,
                is_json=False,
                text=self.scrubbed(text),
                retry_after_seconds=retry_after,
            )
        return Answer(
            response.status_code, is_json=True, content=content, retry_after_seconds=retry_after
        )

    def _read_until_quiet(self, response: requests.Response, *, give_up: float) -> str:
        """Read what comes; a pause is no failure: the other side holds the stream open."""
        body = bytearray()
        try:
            for chunk in response.iter_content(None):
                body += chunk
                if len(body) > STREAM_LIMIT_BYTES or time.monotonic() > give_up:
                    break
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            # What came before the pause, or before the connection broke, is whole lines and true.
            pass
        return bytes(body).decode(errors="replace")

    def scrubbed(self, text: str) -> str:
        """Return the beginning of a text of the cloud's without secrets and control letters."""
        return scrub(text, secrets=(self._api_key,))[:EXCERPT_CHARACTERS]

    def _translated(self, error: Exception) -> ProviderUnavailableError:
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return CertificateError(
                f"The certificate of {self._label}'s API is not valid. Nothing was sent.",
                remedy="Somebody may stand between this server and the cloud. Check the address, "
                "this server's clock and its certificates, before you try again.",
            )
        if any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in causes):
            return NeverReachedError(
                f"{self._label}'s API cannot be reached.",
                remedy="We try again. Check this server's network and name resolution.",
            )
        return self._lost(_kind_of_failure(causes))

    def _lost(self, why: str) -> AnswerLostError:
        return AnswerLostError(
            f"{self._label}'s API gave no whole answer: {why}.",
            remedy="We ask again. If it lasts, look at the cloud's status page.",
        )


def retry_after_seconds(header: str | None) -> float | None:
    """Return a Retry-After header in seconds if it is a plain number, at most an hour."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it wraps, as requests and urllib3 pass them on.

    ``__context__`` is left out: it may be an older error that a caller is just handling.
    """
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [getattr(cause, "reason", None), *cause.args]


def _kind_of_failure(causes: list[BaseException]) -> str:
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return "no answer in time"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "the encrypted connection broke"
    return "the connection broke"
