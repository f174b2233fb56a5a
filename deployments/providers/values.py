"""Single values out of a cloud's JSON: usable, or plainly absent."""

import re
from ipaddress import ip_address

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def text(value: object) -> str:
    """Return a string as it is if it can be stored and shown, else ""."""
    if not isinstance(value, str) or _UNSHOWABLE.search(value):
        return ""
    return value


def usable_id(value: object) -> str | None:
    """Return a machine's id if it is one."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def count(value: object) -> int:
    """Return a plausible count, 0 for what is missing or none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value < 1_000_000_000 else 0


def address(value: object) -> str | None:
    """Return an IP address; anything else is taken as "not there yet" (F27)."""
    try:
        return str(ip_address(text(value).strip()))
    except ValueError:
        return None
