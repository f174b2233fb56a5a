"""The installation's name, with which every machine's name begins (D1, I15)."""

import re

import pytest

from core.installation import installation_id
from core.models import Installation

pytestmark = pytest.mark.django_db


def test_the_name_is_made_once_and_fits_into_machine_names() -> None:
    first = installation_id()

    assert re.fullmatch("slw[a-z0-9]{3}", first)
    assert installation_id() == first
    assert Installation.objects.count() == 1
