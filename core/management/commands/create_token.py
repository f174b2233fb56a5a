"""``manage.py create_token USER``: print a new API token, alone, on standard output."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from core import audit, tokens
from core.errors import SlipwayError


class Command(BaseCommand):
    """Make an API token for a user that exists already."""

    help = "Make an API token and print it alone on standard output. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user's name")
        parser.add_argument(
            "--scopes",
            nargs="+",
            default=list(tokens.DEFAULT_SCOPES),
            metavar="SCOPE",
            help=f"among {', '.join(tokens.SCOPES)}; blanks or commas between them",
        )
        parser.add_argument(
            "--expires", help="ISO-8601 time such as 2027-01-31 or 2027-01-31T12:00Z"
        )
        parser.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()
        try:
            user = users.objects.get_by_natural_key(options["user"])
        except users.DoesNotExist:
            raise CommandError(
                f"There is no user {options['user']!r}. Make one with manage.py createsuperuser."
            ) from None
        scopes = [part for text in options["scopes"] for part in text.split(",") if part]
        try:
            token, plaintext = tokens.create_token(
                user, name=options["name"], scopes=scopes, expires_at=_time(options["expires"])
            )
        except SlipwayError as error:
            raise CommandError(f"{error.message} {error.remedy}") from None
        audit.record("token.created", actor=None, obj=token, user=user.get_username())
        self.stdout.write(plaintext)


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--expires must be an ISO-8601 time, not {text!r}.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
