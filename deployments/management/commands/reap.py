"""``manage.py reap``: end what lives at the clouds and should not. For the system's timer."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.time import database_now
from deployments import reaper
from deployments.providers import PROVIDERS


class Command(BaseCommand):
    """Exits with 1 when a cloud is mute, a machine cannot be ended, or ticks stand still."""

    help = "Sweep every cloud account once and end machines of ours that nothing wants any more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be ended")
        parser.add_argument("--platform", choices=sorted(PROVIDERS), help="only this cloud")

    def handle(self, *args: Any, **options: Any) -> None:
        problems = 0
        for entry in reaper.accounts(options["platform"]):
            report = reaper.sweep_account(entry, dry_run=options["dry_run"])
            problems += self._tell(report)
        alarm = reaper.worker_alarm(database_now())
        if alarm:
            self.stderr.write(f"ALARM: {alarm}")
        if alarm or problems:
            raise CommandError("Not all is well; see above.")

    def _tell(self, report: reaper.Report) -> int:
        account = f"{report.entry.provider} key ...{report.entry.hint}"
        if report.error:
            self.stderr.write(f"{account}: could not be asked: {report.error}")
            return 1
        self.stdout.write(
            f"{account}: {len(report.findings)} machines of ours, {report.others} of others"
        )
        for finding in report.findings:
            self.stdout.write(f"  {finding.instance.name}: {_words(finding)}")
        return sum(1 for finding in report.findings if finding.error)


def _words(finding: reaper.Finding) -> str:
    if finding.error:
        return f"NOT ended ({finding.error}); {finding.reason}"
    if finding.ended:
        return f"ended: {finding.reason}"
    return f"kept: {finding.reason}" if finding.wanted else f"unwanted: {finding.reason}"
