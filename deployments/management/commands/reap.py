"""``manage.py reap``: end what lives at the clouds and should not. For the system's timer."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from core.time import database_now
from deployments import live_file, panic, reaper, second_guard
from deployments.panic import counted
from deployments.providers import PROVIDERS


class Command(BaseCommand):
    """Exits with 1 when a cloud is mute, a machine cannot be ended, or ticks stand still.

    ``--panic`` is a path of its own (deployments/panic.py): manage.py takes it before any setting
    is read.
    """

    help = "Sweep every cloud account once and end machines of ours that nothing wants any more."
    # The second stopper must run where other commands refuse to start (D7).
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be ended")
        parser.add_argument("--platform", choices=sorted(PROVIDERS), help="only this cloud")
        parser.add_argument(
            "--panic",
            action="store_true",
            help="end every machine of one installation, without database and settings; "
            "needs --api-key-file and --installation-id",
        )
        panic.add_arguments(parser, required=False)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["panic"]:
            self._panic(options)
            return
        try:
            self._sweep(options["platform"], dry_run=options["dry_run"])
        except (DatabaseError, InterfaceError) as error:
            self._tell_without_database(error)
            raise CommandError("The database cannot be used: nothing was swept.") from None

    def _sweep(self, platform: str | None, *, dry_run: bool) -> None:
        reports = [
            reaper.sweep_account(entry, dry_run=dry_run) for entry in reaper.accounts(platform)
        ]
        problems = sum(self._tell(report) for report in reports)
        now = database_now()
        problems += self._remember(reports, now=now)
        if not dry_run and platform is None:
            second_guard.note_look(now)
        alarm = reaper.worker_alarm(now)
        if alarm:
            self.stderr.write(f"ALARM: {alarm}")
        if alarm or problems:
            raise CommandError("Not all is well; see above.")

    def _remember(self, reports: list[reaper.Report], *, now: datetime) -> int:
        seen = [(r.entry, f.instance) for r in reports for f in r.findings if not f.ended]
        try:
            listed = [report.entry for report in reports if not report.error]
            live_file.remember(now, seen=seen, listed=listed)
        except OSError as error:
            # A full disk is no reason to keep the alarm below from being raised.
            self.stderr.write(f"{live_file.path()} cannot be written: {error.strerror}")
            return 1
        return 0

    def _tell(self, report: reaper.Report) -> int:
        own = PROVIDERS[report.entry.provider].capabilities.is_own
        key = f"{report.entry.provider} key ...{report.entry.hint}"
        account = str(report.entry) if own else key
        if report.error and own:
            # It may be switched off: that is its owner's business, and no cloud's bill.
            self.stdout.write(
                f"{account}: its owner's own, never ended, nothing bills. Not asked: {report.error}"
            )
            return 0
        if report.error:
            self.stderr.write(f"{account}: could not be asked: {report.error}")
            return 1
        self.stdout.write(
            f"{account}: {counted(len(report.findings), 'machine')} of ours, "
            f"{report.others} of others"
        )
        for finding in report.findings:
            told = " (its owner's own machine: let go of, never switched off)" if own else ""
            self.stdout.write(f"  {finding.instance.name}: {_words(finding)}{told}")
        return sum(1 for finding in report.findings if finding.error)

    def _tell_without_database(self, error: Exception) -> None:
        """F77: say what may live and bill, from the file the last sweep left."""
        say = self.stderr.write
        say(f"ALARM: the database cannot be used: {str(error).strip().splitlines()[0]}")
        known = live_file.recall()
        if known is None:
            say("No earlier sweep left a list of live machines; look at your clouds' consoles.")
            return
        say(f"As of {known.written_at} these machines may live, and bill:")
        for machine in known.machines:
            where = f"{machine.platform} key ...{machine.key_hint}, {machine.region}"
            say(f"  {machine.name} ({machine.instance_id or 'id unknown'}; {where})")
        if not known.machines:
            say("  none")
        say(
            "The worker goes on once the database is back. To end all of them without it:\n"
            "  manage.py reap --panic --api-key-file FILE --installation-id "
            f"{known.installation_id}"
        )

    def _panic(self, options: dict[str, Any]) -> None:
        if not options["api_key_file"] or not options["installation_id"]:
            raise CommandError("--panic needs --api-key-file and --installation-id.")
        order = panic.Order(
            platform=options["platform"] or next(iter(PROVIDERS)),
            api_key_file=options["api_key_file"],
            installation_id=options["installation_id"],
            dry_run=options["dry_run"],
            yes=options["yes"],
        )
        exit_code = panic.execute(order, say=self.stdout.write, ask=input)
        if exit_code:
            sys.exit(exit_code)


def _words(finding: reaper.Finding) -> str:
    if finding.error:
        return f"NOT ended ({finding.error}); {finding.reason}"
    if finding.ended:
        return f"ended: {finding.reason}"
    return f"kept: {finding.reason}" if finding.wanted else f"unwanted: {finding.reason}"
