"""What the vault keeps of a machine that its user already has: where it is, who logs in, its price.

One JSON object, sealed as a cloud's key is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from core.errors import InvalidInputError

MOST_HOURLY_USD = Decimal(1000)
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ADDRESS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?|::1?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
PARTS = ("name", "address", "port", "user", "private_key", "hourly_price", "host_key")


@dataclass(frozen=True)
class Host:
    """One machine; ``host_key`` is an OpenSSH line, a fingerprint that was confirmed, or ""."""

    name: str
    address: str
    port: int
    user: str
    private_key: str = field(repr=False)
    hourly_price_usd: Decimal
    host_key: str = ""

    @property
    def where(self) -> str:
        """Return how people write it: gpu-box (ada@192.168.1.20)."""
        port = "" if self.port == 22 else f" port {self.port}"
        return f"{self.name} ({self.user}@{self.address}{port})"

    def sealed(self) -> str:
        """Return the text that is sealed."""
        return json.dumps(
            {
                "name": self.name,
                "address": self.address,
                "port": self.port,
                "user": self.user,
                "private_key": self.private_key,
                "hourly_price": str(self.hourly_price_usd),
                "host_key": self.host_key,
            }
        )


def read(text: str) -> Host:
    """Return the host that a text describes; no error repeats any of its private key.

    Raises: InvalidInputError naming the part.
    """
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    if not isinstance(parts, dict):
        raise _refused(
            "secret", "A machine of your own is not one text.", f"Give the parts: {_named()}."
        )
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise _refused(str(unknown[0]), f"There is no part {unknown[0]}.", f"Give: {_named()}.")
    return Host(
        name=_matching(parts, "name", NAME, "small letters, digits and hyphens, at most 40"),
        address=_matching(parts, "address", _ADDRESS, "a host name or an IP address"),
        port=_port(parts.get("port", 22)),
        user=_matching(parts, "user", _USER, "the name you log in with"),
        private_key=_private_key(parts.get("private_key")),
        hourly_price_usd=_price(parts.get("hourly_price", "0")),
        host_key=str(parts.get("host_key") or "").strip(),
    )


def _matching(parts: Mapping[str, object], name: str, form: re.Pattern[str], words: str) -> str:
    text = str(parts.get(name) or "").strip()
    if not form.fullmatch(text):
        raise _refused(name, f"The {name} of your machine cannot be used.", f"Give {words}.")
    return text


def _port(given: object) -> int:
    text = str(given).strip()
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) < 65536:
        raise _refused("port", "The port of your machine cannot be used.", "Give 1 to 65535.")
    return int(text)


def _price(given: object) -> Decimal:
    try:
        price = Decimal(str(given).strip() or "0")
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= MOST_HOURLY_USD:
        raise _refused(
            "hourly_price",
            "The price of your machine cannot be used.",
            f"Give US dollars an hour, 0 to {MOST_HOURLY_USD}; 0 for a machine that costs nothing.",
        )
    return price.quantize(Decimal("0.0001"))


def _private_key(given: object) -> str:
    text = str(given or "").replace("\r\n", "\n").strip()
    if not text:
        raise _refused(
            "private_key",
            "The private key for your machine is missing.",
            "Paste an ed25519 key without a passphrase, as ssh-keygen -t ed25519 makes it.",
        )
    return text + "\n"


def _named() -> str:
    return ", ".join(PARTS)


def _refused(param: str, message: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(message, remedy=remedy, param=param)
