"""Where a request comes from, for limits by address and for the operator's routes."""

import pytest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from core.addresses import client_address, client_network, is_from_this_host


def test_without_a_proxy_of_ours_the_header_is_not_believed() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.1", HTTP_X_FORWARDED_FOR="10.0.0.1")

    assert client_address(request) == "203.0.113.1"


@pytest.mark.parametrize(
    ("header", "expected"),
    [("10.0.0.1, 203.0.113.7", "203.0.113.7"), ("2001:db8::1", "2001:db8::1"), ("junk", "")],
)
def test_behind_our_proxy_the_last_address_counts(
    settings: Settings, header: str, expected: str
) -> None:
    settings.BEHIND_PROXY = True
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=header)

    assert client_address(request) == expected


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_caller(address: str, counted_as: str) -> None:
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == counted_as


@pytest.mark.parametrize("header", ["FORWARDED", "VIA", "X_FORWARDED_FOR", "X_REAL_IP"])
def test_t24_what_was_passed_on_comes_from_elsewhere(header: str) -> None:
    direct = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1")
    passed_on = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1")
    passed_on.META[f"HTTP_{header}"] = "x"

    assert is_from_this_host(direct)
    assert not is_from_this_host(passed_on)
