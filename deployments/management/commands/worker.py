"""``manage.py worker``: the background work, all of it or one queue of it."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deployments import tasks
from deployments.worker import Supervisor, serve_queue


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
        _, _, supervisor = os.environ.get(tasks.WORKER_VARIABLE, "").rpartition(":")
        # Started by hand it ends with the shell that started it.
        serve_queue(supervisor=int(supervisor or os.getppid()))
