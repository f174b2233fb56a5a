"""``manage.py kill_switch on|off|status``: stop everything, launch nothing; or allow it again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import SlipwayError
from core.time import database_now
from deployments import kill_switch, operations, reaper, spending
from deployments.models import Deployment
from deployments.models.deployments import LIVING
from deployments.panic import counted


class Command(BaseCommand):
    """Needs the database; without one, ``reap --panic`` ends the machines."""

    help = "Stop every run of everybody and block launches; or allow launches again."
    # It must work where other commands refuse to start.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("turn", choices=["on", "off", "status"])
        parser.add_argument("--reason", default="", help="with on: why; everybody reads it")
        parser.add_argument(
            "--save",
            action="store_true",
            help="with on: let runs save and bring their adapters home first, which costs minutes",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["turn"] == "on":
            self._on(options["reason"], save=options["save"])
        elif options["turn"] == "off":
            was_on = kill_switch.turn_off(actor=None)
            self.stdout.write("Launches are allowed again." if was_on else "It was off already.")
        else:
            self._status()

    def _on(self, reason: str, *, save: bool) -> None:
        try:
            living = kill_switch.turn_on(actor=None, reason=reason, save=save)
        except SlipwayError as error:
            raise CommandError(f"{error.message} {error.remedy} (--reason)") from None
        how = "save, come home and end" if save else "end at once, saving nothing"
        self.stdout.write(f"Launches are blocked. {counted(living, 'run')} asked to {how}.")
        self._tell_machines()
        alarm = reaper.worker_alarm(database_now())
        if alarm:
            self.stderr.write(f"ALARM: {alarm} Without one, machines end by: manage.py reap")

    def _status(self) -> None:
        row = spending.limits()
        if row.launches_blocked_at is None:
            self.stdout.write("off: launches are allowed.")
        else:
            self.stdout.write(
                f"on since {row.launches_blocked_at:%Y-%m-%d %H:%M} UTC, by "
                f"{row.launches_blocked_by}: {row.launches_blocked_reason}"
            )
        living = Deployment.objects.filter(status__in=LIVING).count()
        self.stdout.write(f"{counted(living, 'run')} not over yet.")
        self._tell_machines()

    def _tell_machines(self) -> None:
        fleet = operations.fleet()
        self.stdout.write(
            f"{counted(len(fleet.machines), 'machine')} may bill, {fleet.burn_usd_per_hour:.2f} "
            "USD an hour, until proven gone."
        )
