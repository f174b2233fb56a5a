"""The events of a run: its machines, what came to nothing, and the story, newest first."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments.pages import job_page
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import read, shown


def test_the_machine_is_shown_with_all_it_tells_of_itself(user: User, reader: Client) -> None:
    page = read(reader, scenes.training(user), "events/")

    assert "Running." in page
    assert "python 3.10.12, torch 2.13.0, trl 1.9.2, peft 0.19" in page
    assert "GPU use 97 %" in page
    assert "If this server falls silent for 30 min, the machine saves and stops training." in page
    assert "Everything is in place; training." in page


def test_a_practice_machine_says_that_a_cpu_stands_in(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    run = deployment.machines.get().run
    run.environment = {"cpu_stand_in": True}
    run.heartbeat = {"gpus": [{"utilization_percent": 0}], "cpu_percent": 97.0}
    run.save()

    page = read(reader, deployment, "events/")

    assert "a CPU stands in for the GPU" in page
    assert "CPU 97 %" in page
    assert "GPU use" not in page


def test_events_are_told_newest_first_and_paged_by_their_id(
    user: User, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_page, "EVENTS_A_PAGE", 20)
    monkeypatch.setattr(job_page.JobPage, "events_a_page", 20)
    deployment = scenes.preparing(user)
    for number in range(30):
        builders.make_event(deployment, message=f"event {number}.")

    newest = shown(reader, deployment, "events/")
    (earlier,) = re.findall(r'href="[^"]+/(events/\?before=\d+)"', newest)
    older = read(reader, deployment, earlier)

    assert newest.index("event 29.") < newest.index("event 10.")
    assert "event 9." not in newest
    assert older.index("event 9.") < older.index("event 0.")
    assert "event 10." not in older
