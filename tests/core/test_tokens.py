"""API tokens: shown once, kept as a hash, good only in their time (I16, T8)."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import tokens
from core.errors import InvalidInputError
from core.models import ApiToken
from core.time import database_now
from tests.builders import make_user

pytestmark = pytest.mark.django_db
# From long ago to far ahead; the exact present would race with the clock.
OFFSETS = st.integers(-(10**8), 10**8).filter(lambda seconds: abs(seconds) > 5)


def test_a_token_has_256_random_bits_behind_a_prefix_that_scanners_know() -> None:
    _, plaintext = tokens.create_token(make_user(), name="ci")

    assert plaintext.startswith("slw_")
    assert len(plaintext.removeprefix("slw_")) == 43


def test_the_database_holds_the_hash_and_too_little_of_the_token_to_use() -> None:
    token, plaintext = tokens.create_token(make_user(), name="ci")

    row = ApiToken.objects.filter(pk=token.pk).values().get()

    assert row["token_hash"] == hashlib.sha256(plaintext.encode()).hexdigest()
    assert row["prefix"] == plaintext[:8]
    assert plaintext not in str(row)


@given(
    issued=OFFSETS,
    expires=st.none() | OFFSETS,
    revoked=st.booleans(),
    active=st.booleans(),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_i16_no_token_is_taken_before_its_issue_after_its_expiry_or_after_revocation(
    issued: int, expires: int | None, revoked: bool, active: bool
) -> None:
    user = make_user(is_active=active)
    token, plaintext = tokens.create_token(user, name="ci")
    now = database_now()
    token.created_at = now + timedelta(seconds=issued)
    token.expires_at = None if expires is None else now + timedelta(seconds=expires)
    token.revoked_at = now if revoked else None
    token.save()

    found = tokens.authenticate(plaintext)

    good = issued < 0 and (expires is None or expires > 0) and not revoked and active
    assert (found == token) if good else (found is None)


@given(st.text())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_i16_a_token_that_was_never_issued_opens_nothing(text: str) -> None:
    tokens.create_token(make_user(), name="ci")

    assert tokens.authenticate(text) is None
    assert tokens.authenticate(f"slw_{text}") is None


def test_the_stored_hash_itself_opens_nothing() -> None:
    token, _ = tokens.create_token(make_user(), name="ci")

    assert tokens.authenticate(token.token_hash) is None


def test_a_fresh_token_is_good_at_once() -> None:
    for _ in range(20):
        token, plaintext = tokens.create_token(make_user(), name="ci")

        assert tokens.authenticate(plaintext) == token


@pytest.mark.parametrize("scopes", [[], ["read", "root"], ["READ"]])
def test_unknown_scopes_are_refused_by_name(scopes: list[str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        tokens.create_token(make_user(), name="ci", scopes=scopes)

    assert refused.value.param == "scopes"
    assert "read, deploy, admin" in refused.value.remedy


def test_an_expiry_in_the_past_is_refused() -> None:
    with pytest.raises(InvalidInputError) as refused:
        tokens.create_token(make_user(), name="ci", expires_at=database_now())

    assert refused.value.param == "expires_at"


def test_revoking_twice_keeps_the_first_time() -> None:
    token, _ = tokens.create_token(make_user(), name="ci")

    tokens.revoke(token, actor=token.user)
    token.refresh_from_db()
    first = token.revoked_at
    tokens.revoke(token, actor=token.user)

    token.refresh_from_db()
    assert first is not None
    assert token.revoked_at == first


def test_the_last_use_is_noted_once_a_minute() -> None:
    token, plaintext = tokens.create_token(make_user(), name="ci")
    recently = database_now() - timedelta(seconds=30)
    long_ago = database_now() - timedelta(seconds=90)

    noted = []
    for before in (None, recently, long_ago):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=before)
        tokens.authenticate(plaintext)
        noted.append(ApiToken.objects.get(pk=token.pk).last_used_at)

    assert noted[0] is not None
    assert noted[1] == recently
    assert noted[2] is not None
    assert noted[2] > long_ago
