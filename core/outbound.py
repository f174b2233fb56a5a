"""Requests to addresses that users give: https to public addresses only (T11).

A name is resolved once and every address it has is judged; the connection goes to an address that
was judged, under the name's own certificate, so that a name which changes its mind in between
leads nowhere else. Nothing of an answer is kept but its status.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from core.errors import InvalidInputError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int, float], Sequence[str]]

TIMEOUT_SECONDS = 10.0
ANSWER_LIMIT_BYTES = 64 * 1024
MAX_URL_CHARACTERS = 500
HTTPS_PORT = 443
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# inet_aton and browsers read such last labels as a number: 0x7f.1, 2130706433, 127.1.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")
# RFC 6052 section 2.1 and RFC 3056 section 2: IPv6 addresses that stand for an IPv4 one.
_NAT64 = ip_network("64:ff9b::/96")


class UnansweredError(Exception):
    """A request that got no status; its text says why, in words a user may read."""


@dataclass(frozen=True)
class Rules:
    """What the operator allows beyond port 443 and public addresses."""

    ports: frozenset[int] = frozenset({HTTPS_PORT})
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allow(self, address: Address) -> bool:
        """Say whether a connection to this address may be made."""
        if any(address in network for network in self.networks):
            return True
        return _is_public(_meant(address))


@dataclass(frozen=True)
class Target:
    """Where a request goes: the host as the certificate names it, the port, path and query."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


def target_of(url: str, *, rules: Rules) -> Target:
    """Return what a URL names; names are not resolved yet.

    Raises: InvalidInputError for what is no https address that may be asked.
    """
    if len(url) > MAX_URL_CHARACTERS or not all("!" <= letter <= "~" for letter in url):
        raise _refused(
            f"An address has at most {MAX_URL_CHARACTERS} characters, without blanks and accents.",
            remedy="Write other letters %-encoded, and a host's in punycode (xn--).",
        )
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS_PORT
    except ValueError:
        raise _refused("This is no address.", remedy="Give it as https://host/path.") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or not host:
        raise _refused("Only https addresses are told.", remedy="Begin with https:// and a host.")
    if "@" in parts.netloc or "\\" in url or parts.fragment:
        raise _refused(
            "An address with a user, a backslash or a # cannot be used.", remedy="Leave that out."
        )
    if port not in rules.ports:
        allowed = ", ".join(str(each) for each in sorted(rules.ports))
        raise _refused(
            f"Port {port} is not allowed.",
            remedy=f"Use {allowed}, or ask the operator to add it to WEBHOOK_PORTS.",
        )
    _check_host(host, rules=rules)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host=host, port=port, path=path)


def post(
    target: Target,
    body: bytes,
    *,
    headers: Mapping[str, str],
    rules: Rules,
    seconds: float = TIMEOUT_SECONDS,
    resolve: Resolve | None = None,
    context: ssl.SSLContext | None = None,
) -> int:
    """Send a body and return the status of the answer, whatever it is; redirects are not followed.

    Takes at most ``seconds``, however slowly the other side resolves, accepts or answers.
    Raises: UnansweredError when there is no status.
    """
    give_up = time.monotonic() + seconds
    try:
        found = (resolve or addresses_of)(target.host, target.port, seconds)
        addresses = _judged(found, rules=rules)
        with (
            _connected(addresses, target.port, give_up=give_up) as plain,
            (context or tls_context()).wrap_socket(plain, server_hostname=target.host) as sealed,
        ):
            sealed.settimeout(_left(give_up))
            sealed.sendall(_request(target, body, headers))
            return _status(sealed, give_up=give_up)
    except ssl.SSLCertVerificationError:
        raise UnansweredError("Its certificate is not valid for this address.") from None
    except TimeoutError:
        raise UnansweredError(f"No answer within {seconds:g} s.") from None
    except ssl.SSLError:
        raise UnansweredError("The encrypted connection failed.") from None
    except OSError:
        raise UnansweredError("The connection failed.") from None


def addresses_of(host: str, port: int, seconds: float) -> list[str]:
    """Return every address of a host, in the order to try them.

    The resolver of the C library knows no time limit, so it is left to a thread that may be late.
    Raises: UnansweredError for a name that has none; TimeoutError.
    """
    found: list[str] = []
    missing: list[OSError] = []

    def look() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            missing.append(error if isinstance(error, OSError) else OSError(str(error)))

    looking = threading.Thread(target=look, name="resolver", daemon=True)
    looking.start()
    looking.join(seconds)
    if looking.is_alive():
        raise TimeoutError
    if missing or not found:
        raise UnansweredError("Its name does not resolve.")
    return found


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts what this host trusts, SSL_CERT_FILE included."""
    context = ssl.create_default_context()
    # A small container may have no certificates of its own.
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _check_host(host: str, *, rules: Rules) -> None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        if not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise _refused(f"{host} is no host.", remedy="Give a name or address.") from None
        return
    if "%" in host or not rules.allow(address):
        raise _refused(
            f"{host} is not a public address.",
            remedy="Use a public one, or ask the operator to add its network to WEBHOOK_NETWORKS.",
        )


def _judged(found: Sequence[str], *, rules: Rules) -> list[str]:
    """Return the addresses if all of them may be asked: one that may not condemns the name."""
    for text in found:
        # A zone such as %eth0 belongs to link-local addresses alone.
        if "%" in text or not rules.allow(ip_address(text)):
            raise UnansweredError("Its name leads to an address that is not public.")
    return list(found)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, or the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    # is_global alone takes multicast, ::127.0.0.1 and fec0::/10 for public (measured, 3.11).
    odd = address.is_multicast or address.is_reserved or address.is_unspecified
    local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not odd and not local


def _connected(addresses: Sequence[str], port: int, *, give_up: float) -> socket.socket:
    """Connect to the first address that takes us; a host may have IPv6 and we may not."""
    failure: OSError = ConnectionError()
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=_left(give_up))
        except OSError as error:
            failure = error
    raise failure


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {target.path} HTTP/1.1", *_header_lines(target, body, headers)]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _header_lines(target: Target, body: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    yield f"Host: {target.authority}"
    for name, value in headers.items():
        if not value.isprintable():
            raise ValueError(f"the header {name} holds a control character")
        yield f"{name}: {value}"
    yield f"Content-Length: {len(body)}"
    yield "Connection: close"


def _status(sock: ssl.SSLSocket, *, give_up: float) -> int:
    """Read as far as the status; what follows is nobody's business here."""
    seen = b""
    while (status := _status_in(seen)) is None:
        if len(seen) > ANSWER_LIMIT_BYTES:
            raise UnansweredError("The answer is no HTTP, or too long.")
        sock.settimeout(_left(give_up))
        more = sock.recv(4096)
        if not more:
            raise UnansweredError("The connection ended without an answer.")
        seen += more
    return status


def _status_in(seen: bytes) -> int | None:
    """Return the final status if its line is there whole; 1xx are steps on the way to it."""
    for number, line in enumerate(seen.split(b"\n")[:-1]):
        found = _STATUS_LINE.fullmatch(line.rstrip(b"\r"))
        if found is None and number == 0:
            raise UnansweredError("The answer is no HTTP.")
        if found is not None and not found[1].startswith(b"1"):
            return int(found[1])
    return None


def _left(give_up: float) -> float:
    left = give_up - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refused(message: str, *, remedy: str) -> InvalidInputError:
    return InvalidInputError(message, remedy=remedy, param="url")
