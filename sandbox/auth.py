"""Who is calling: the key in a request's headers."""

import base64
import hmac

from aiohttp import web


def presented_key(request: web.Request) -> str | None:
    """Return the key of the Authorization header, or None without one.

    Bearer, Basic with the key as user name and an empty password, and Basic with the bare key are
    all declared (lambda-cloud-api.md section 1).
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if not value:
        return None
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        return _basic_user(value)
    return None


def is_same_key(presented: str | None, expected: str) -> bool:
    """Compare without telling by the time taken how much of the key was right."""
    if presented is None:
        return False
    # What is no UTF-8 in a header arrives as surrogates.
    return hmac.compare_digest(presented.encode(errors="surrogateescape"), expected.encode())


def _basic_user(value: str) -> str:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return value
    return decoded.removesuffix(":") if decoded.endswith(":") else value
