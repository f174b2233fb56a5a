"""``manage.py doctor``: a line for each thing that must be right; exits with 1 when one is not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments.management.doctor import here, outside, running
from deployments.management.doctor.finding import Check, Finding, findings_of

# What stands on a usable database is not looked at without one.
BEFORE: tuple[Check, ...] = (here.settings_are_sound, here.database)
WITH_DATABASE: tuple[Check, ...] = (
    here.installation,
    here.encryption,
    here.database_clock,
    here.ssh,
    outside.cloud_keys,
    outside.live_machines,
    running.worker,
    running.reap,
    running.messages,
    running.launches,
)
WITHOUT: tuple[Check, ...] = (here.data_folder, outside.cloud_apis, outside.app_url)


class Command(BaseCommand):
    """Looks and tells; it changes nothing but the time at which a key was last used."""

    help = "Check settings, database, keys, disk, clocks, clouds, SSH, worker, reap and outbox."
    # They are the first line of the report, not a reason to give none.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self._failed = 0
        usable = self._tell(*BEFORE)
        self._tell(*WITHOUT)
        if usable:
            self._tell(*WITH_DATABASE)
        else:
            self.stdout.write("     The rest needs a usable database and was not looked at.")
        if self._failed:
            count = "1 problem" if self._failed == 1 else f"{self._failed} problems"
            raise CommandError(f"{count}; see FAIL above.")

    def _tell(self, *checks: Check) -> bool:
        """Write the findings; return False when the database cannot be used."""
        usable = True
        for check in checks:
            for finding in findings_of(check):
                self.stdout.write(str(finding))
                self._failed += finding.level == "FAIL"
                usable = usable and not _is_database_failure(check, finding)
        return usable


def _is_database_failure(check: Check, finding: Finding) -> bool:
    return check is here.database and finding.level == "FAIL"
