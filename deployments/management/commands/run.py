"""``manage.py run``: a whole Slipway on the practice cloud, in this terminal."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deployments.management import practice
from deployments.management.local_stack import LocalStack, StackError, running


class Command(BaseCommand):
    """Keeps its data below ``var/run``; its user is ``demo``."""

    help = "Start sandbox, web and worker here; Ctrl-C ends them all, machines first."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        samples = practice.sample_data()
        stack = LocalStack(
            settings.BASE_DIR / "var" / "run",
            models_dir=practice.models_dir(),
            image_python=practice.trainer_python(),
        )
        ended = ""
        try:
            with running(stack):
                self._greet(stack, samples=str(samples / "chat.jsonl"))
                while not stopping.wait(1.0):
                    if ended := stack.ended():
                        break
        except StackError as error:
            raise CommandError(f"{error}\nLogs are below {stack.data_dir}.") from None
        if ended:
            raise CommandError(f"The {ended} process ended by itself; see {stack.data_dir}.")
        self.stdout.write("Stopped.")

    def _greet(self, stack: LocalStack, *, samples: str) -> None:
        self.stdout.write(
            f"Slipway:      {stack.url}\n"
            f"Sign in:      demo / {stack.password}\n"
            f"API token:    {stack.token}\n"
            f"Cloud key:    {stack.sandbox_key}  (of each practice cloud; add it in the vault)\n"
            f"Sample data:  {samples}\n"
            f"Sample model: local:{practice.MODEL_NAME}\n"
            "Machines here are practice machines without a GPU. Ctrl-C stops everything."
        )
        self.stdout.flush()
