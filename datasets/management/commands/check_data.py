"""``manage.py check_data``: check one large upload; the worker starts it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from datasets import checking


class Command(BaseCommand):
    """Reads the upload to its end and writes down what was found."""

    help = "Check one upload. The worker runs this for large files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dataset_id")

    def handle(self, *args: Any, **options: Any) -> None:
        checking.check_claimed(options["dataset_id"])
