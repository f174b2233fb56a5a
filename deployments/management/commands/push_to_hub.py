"""``manage.py push_to_hub ID``: one upload to the Hub, as the worker starts it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from deployments.exports import pushes


class Command(BaseCommand):
    """Uploads what one push names; harmless when another process does that already."""

    help = "Carry out one push to the Hugging Face Hub. The worker starts this by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("push_id", help="the id of the push")

    def handle(self, *args: Any, **options: Any) -> None:
        pushes.carry_out(options["push_id"])
