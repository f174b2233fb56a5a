"""``manage.py rewrap_secrets``: after a new key was put first in FIELD_ENCRYPTION_KEY."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core import audit
from secrets_vault import rewrap
from secrets_vault.rewrap import Census, Outcome


class Command(BaseCommand):
    """Exits with 0 only when the newest key alone opens every sealed value."""

    help = "Seal every secret anew with the first key of FIELD_ENCRYPTION_KEY, and prove it."
    # It tells row by row what the check of the canary only says as a whole.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = len(settings.FIELD_ENCRYPTION_KEY)
        self.stdout.write(f"Keys in FIELD_ENCRYPTION_KEY: {keys}; the first one is the newest.")
        if options["dry_run"]:
            self._tell("found", found := rewrap.census())
            _refuse_unreadable(found)
            return
        outcome = rewrap.rewrap()
        self._tell("before", outcome.before)
        self._tell("after", outcome.after)
        audit.record(
            "vault.rewrapped", actor=None, obj=None, rows=outcome.rewrapped, proof=outcome.is_good
        )
        _refuse_unreadable(outcome.after)
        _refuse_unproven(outcome)
        self.stdout.write(
            f"{outcome.rewrapped} sealed anew. The newest key alone opens all "
            f"{outcome.after.sealed}: the older keys can be dropped."
        )

    def _tell(self, when: str, found: Census) -> None:
        self.stdout.write(
            f"{when}: {found.sealed} sealed values, {found.by_newest} open with the newest key, "
            f"{found.by_older} with an older one, {len(found.unreadable)} with none"
        )


def _refuse_unreadable(found: Census) -> None:
    if found.unreadable:
        raise CommandError(
            "No key opens: "
            + ", ".join(found.unreadable)
            + ". Add the key they were sealed with to the end of FIELD_ENCRYPTION_KEY and start "
            "again, or delete those keys and add them again. Drop no key before."
        )


def _refuse_unproven(outcome: Outcome) -> None:
    if not outcome.is_good:
        raise CommandError(
            f"{outcome.before.sealed} values before, {outcome.after.sealed} after, "
            f"{outcome.after.by_newest} proven: keys were added or changed meanwhile. Restart web "
            "and worker with the new list, then start this again. Drop no key before."
        )
