"""``manage.py prove_cloud``: the whole life of one machine at a real cloud, paid, with a report."""

import signal
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from core.installation import installation_id
from deployments.management.proof.plan import Proof
from deployments.providers import rented
from secrets_vault.models import VaultEntry

HIGHEST_LIMIT_USD = Decimal(100)


class Command(BaseCommand):
    """Rents the cheapest free machine; exits with 0 only when every step of the plan passed."""

    help = "Run the nine-step test plan on the cheapest machine of a real account, then end it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("platform", choices=sorted(rented()))
        parser.add_argument("--max-usd", default="0.50", help="never spend more (default 0.50)")
        parser.add_argument("--user", help="whose key; unset: the only one with a key there")
        parser.add_argument(
            "--base-model", default="", help="unset: the sample model, or a small one of the Hub"
        )
        parser.add_argument(
            "--provoke-rate-limit",
            action="store_true",
            help="at the end, ask without a pause to see how the cloud says to slow down",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        platform = options["platform"]
        proof = Proof(
            _user(platform, options["user"]),
            platform,
            max_usd=_limit(options["max_usd"]),
            base_model=options["base_model"],
            provoke_rate_limit=options["provoke_rate_limit"],
            say=self._say,
        )
        # A service manager's way of saying Ctrl-C must end the machine too.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            report = proof.run()
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted while ending the machine: it may still bill. `manage.py worker` goes "
                "on ending it; without a worker: manage.py reap --panic --installation-id "
                f"{installation_id()} --api-key-file FILE"
            ) from None
        finally:
            signal.signal(signal.SIGTERM, before)
        self._say(f"{len(report.facts)} facts; report: {report.write()}")
        if not report.is_good:
            raise CommandError("Not every step passed; see above.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _user(platform: str, username: str | None) -> User:
    if username:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        return user
    owners = VaultEntry.objects.active().filter(provider=platform).select_related("user")
    if len(owners) != 1:
        raise CommandError(f"{len(owners)} users have a {platform} key; name one by --user.")
    owner = owners[0].user
    if not isinstance(owner, User):
        raise CommandError("The key's owner is no user of this installation.")
    return owner


def _limit(text: str) -> Decimal:
    try:
        limit = Decimal(text).quantize(Decimal("0.01"))
    except InvalidOperation:
        raise CommandError(f"--max-usd must be an amount, not {text!r}.") from None
    if not 0 < limit <= HIGHEST_LIMIT_USD:
        raise CommandError(f"--max-usd must be between 0.01 and {HIGHEST_LIMIT_USD}.")
    return limit
