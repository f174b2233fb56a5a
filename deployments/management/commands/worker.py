"""``manage.py worker``: the background work, all of it or one queue of it."""

import ctypes
import os
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments import tasks
from deployments.worker import Supervisor

# prctl's PR_SET_PDEATHSIG; source: linux/prctl.h.
PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    """Ticks deployments, lists clouds, speaks SSH; any number of them may run."""

    help = "Run the background work. Stop it with Ctrl-C or SIGTERM; running steps end first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queue", choices=tasks.QUEUES, help="serve only this queue, without the ticker"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue = options["queue"]
        if queue is None:
            Supervisor().run()
            return
        if os.environ.get("Q_CLUSTER_NAME") != queue:
            raise CommandError(f"Set Q_CLUSTER_NAME={queue} in the environment as well.")
        _end_with_parent()
        tasks.serve_queue()


def _end_with_parent() -> None:
    """Stop when the supervisor is killed: its orphans would go on with old code (measured)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
