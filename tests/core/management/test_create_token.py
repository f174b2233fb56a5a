"""``manage.py create_token``: the token alone on standard output."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from core import tokens
from core.models import ApiToken, AuditEntry
from core.time import database_now
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("create_token", *arguments, stdout=output)
    return output.getvalue()


def test_it_prints_a_working_token_and_nothing_else() -> None:
    user = make_user("ada")

    printed = run("ada")

    assert printed.count("\n") == 1
    found = tokens.authenticate(printed.strip())
    assert found is not None
    assert (found.user, found.scopes) == (user, ["read", "deploy"])


@pytest.mark.parametrize("given", [["read,admin"], ["read", "admin"]])
def test_scopes_may_be_parted_by_blanks_or_commas(given: list[str]) -> None:
    make_user("ada")

    run("ada", "--scopes", *given)

    assert ApiToken.objects.get().scopes == ["read", "admin"]


def test_an_expiry_without_a_zone_is_utc() -> None:
    make_user("ada")
    tomorrow = (database_now() + timedelta(days=1)).replace(microsecond=0, tzinfo=None)

    run("ada", "--expires", tomorrow.isoformat())

    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.replace(tzinfo=None) == tomorrow


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody"],
        ["ada", "--scopes", "root"],
        ["ada", "--expires", "soon"],
        ["ada", "--expires", "2001-01-01"],
    ],
)
def test_what_cannot_be_done_is_said_and_makes_no_token(arguments: list[str]) -> None:
    make_user("ada")

    with pytest.raises(CommandError):
        run(*arguments)

    assert not ApiToken.objects.exists()


def test_i19_making_a_token_leaves_an_audit_row_without_the_token() -> None:
    make_user("ada")

    printed = run("ada").strip()

    entry = AuditEntry.objects.get(action="token.created")
    assert entry.data == {"user": "ada"}
    assert printed not in str(vars(entry))
