"""The errors a user may see (API.md section 1)."""

import pytest

from core import errors

STATUSES: dict[type[errors.SlipwayError], tuple[int, str]] = {
    errors.InvalidInputError: (400, "invalid_request_error"),
    errors.AuthenticationError: (401, "authentication_error"),
    errors.PermissionDeniedError: (403, "permission_error"),
    errors.NotFoundError: (404, "not_found_error"),
    errors.ConflictError: (409, "conflict_error"),
    errors.TooLargeError: (413, "invalid_request_error"),
    errors.UnusableDataError: (422, "invalid_request_error"),
    errors.RateLimitedError: (429, "rate_limit_error"),
    errors.ProviderError: (502, "provider_error"),
    errors.ServerFaultError: (500, "server_error"),
}


@pytest.mark.parametrize(("kind", "expected"), STATUSES.items())
def test_every_kind_of_error_has_the_status_and_type_of_the_interface(
    kind: type[errors.SlipwayError], expected: tuple[int, str]
) -> None:
    error = kind("It happened.", remedy="Do this.")

    body = error.as_body()["error"]

    assert (error.http_status, body["type"]) == expected
    assert body["code"] == kind.code
    assert (body["message"], body["remedy"], body["param"]) == ("It happened.", "Do this.", None)


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = {kind.code for kind in STATUSES}

    assert len(codes) == len(STATUSES)


def test_details_appear_only_where_there_are_some() -> None:
    plain = errors.ConflictError("No.").as_body()["error"]
    detailed = errors.ConflictError("No.", details=({"machine": "m1"},)).as_body()["error"]

    assert "details" not in plain
    assert detailed["details"] == [{"machine": "m1"}]


def test_a_raised_error_may_bring_a_more_exact_code_and_the_field() -> None:
    error = errors.ConflictError("No.", code="E_KEY_IN_USE", param="provider")

    body = error.as_body()["error"]

    assert (body["code"], body["param"]) == ("E_KEY_IN_USE", "provider")
    assert errors.ConflictError.code == "E_CONFLICT"
