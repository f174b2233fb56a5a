"""Where a request comes from, for limits by address and for what only this host may read."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

# What a proxy adds. A request with one of these was passed on, whoever passed it on.
_PASSED_ON = (
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)
# Whoever holds one IPv6 address usually holds the 64 low bits of it.
_IPV6_NETWORK_BITS = 64


def client_address(request: HttpRequest | Request) -> str:
    """Return the address a request came from; empty when it is not known (a Unix socket).

    With BEHIND_PROXY the last entry of X-Forwarded-For counts: our own proxy has written it, the
    entries before it were sent by the client. Without it the header is not believed at all.
    """
    if settings.BEHIND_PROXY:
        last = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        try:
            return str(ip_address(last))
        except ValueError:
            return ""
    return str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest | Request) -> str:
    """Return what limits by address count together: an IPv4 address, an IPv6 network."""
    text = client_address(request)
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _IPV6_NETWORK_BITS), strict=False))


def is_from_this_host(request: HttpRequest) -> bool:
    """Say whether a program on this host asks, and not a proxy on this host for somebody (T24)."""
    if any(name in request.META for name in _PASSED_ON):
        return False
    try:
        return ip_address(str(request.META.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False
