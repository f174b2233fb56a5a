"""The Charts tab, its points for scripts, and each chart as a table and as CSV."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments.models import Deployment
from deployments.pages.charts import kinds, tables
from tests import builders
from tests.deployments.pages import scenes, telling
from tests.deployments.pages.conftest import signed_in

pytestmark = pytest.mark.django_db


def address(deployment: Deployment, path: str = "") -> str:
    return f"/jobs/{deployment.job_id}/charts/{path}"


def words(text: str) -> str:
    """Return what a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def told(reader: Client, deployment: Deployment, query: str = "") -> dict[str, Any]:
    answer = reader.get(address(deployment, f"points/?{query}"))
    assert answer.status_code == 200
    charts: dict[str, Any] = json.loads(answer.content)["charts"]
    return charts


@pytest.fixture
def small(user: User) -> Deployment:
    """A run that has told three steps, one of them no number, and one evaluation."""
    deployment = scenes.run(user)
    machine = scenes.prepared(deployment)
    for name, step, value in (
        ("train/loss", 1, 2.0),
        ("train/loss", 2, None),
        ("train/loss", 3, 1.0),
        ("eval/loss", 2, 1.5),
    ):
        builders.make_metric(machine, name=name, step=step, value=value)
    return deployment


def test_the_tab_shows_every_chart_with_its_table_and_its_csv(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    page = reader.get(address(deployment)).content.decode()

    for kind in kinds.KINDS:
        if kind in kinds.OF_PAIRS:
            assert kind.title not in page
            continue
        assert f'id="chart-{kind.name}"' in page
        assert f'href="{address(deployment)}{kind.name}/"' in page
        assert f'href="{address(deployment)}{kind.name}.csv"' in page
    assert "the limit is card, 22.5\N{NO-BREAK SPACE}GB" in page
    assert "the limit is budget, $2.50" in page


def test_rewards_have_charts_where_pairs_are_learnt(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    rewards = {"train/rewards/margins": [0.1, 0.4], "train/rewards/accuracies": [0.5, 0.9]}
    telling.told(deployment.machines.get(), rewards)

    page = reader.get(address(deployment)).content.decode()

    for kind in kinds.OF_PAIRS:
        assert f'id="chart-{kind.name}"' in page


@pytest.mark.parametrize(
    ("query", "last"),
    [("", "285"), ("x=epoch", "3.0"), ("x=time", "32 min"), ("x=tokens", "362.5k")],
)
def test_each_axis_is_a_link_and_the_current_one_is_marked(
    user: User, reader: Client, query: str, last: str
) -> None:
    deployment = scenes.training(user)

    page = reader.get(address(deployment, f"?{query}")).content.decode()

    (current,) = re.findall(r'href="(\?x=\w+)"\s+aria-current="true"', page)
    assert current == f"?{query or 'x=step'}"
    loss = page.partition('data-chart="loss"')[2].partition("</svg>")[0]
    ticks = re.findall(r'text-anchor="middle">([^<]+)<', loss)
    # The words at the end of the axis end there.
    assert re.findall(r'y="350" text-anchor="end">([^<]+)<', loss) == [last]
    assert last not in ticks


def test_an_unknown_view_is_the_usual_one(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    usual = reader.get(address(deployment)).content.decode()
    odd = reader.get(address(deployment, "?x=moon&y=sideways")).content.decode()

    assert re.findall(r' d="[^"]+"', odd) == re.findall(r' d="[^"]+"', usual)


def test_the_logarithm_is_a_link_that_leads_back(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    page = reader.get(address(deployment, "?x=epoch&y=log")).content.decode()

    assert re.search(r'href="\?x=epoch"\s+aria-current="true">Logarithmic', page)


def test_before_the_first_step_the_frame_says_when_it_comes(user: User, reader: Client) -> None:
    ended = scenes.ended(user)
    deployment = scenes.preparing(user, dataset=ended.job.dataset)

    page = words(reader.get(address(deployment)).content.decode())

    # The run that ended told its first step 10 min 2.4 s after it was accepted.
    assert "First point after step 1, usually 10 min after Start" in page


def test_without_any_earlier_run_no_time_is_promised(user: User, reader: Client) -> None:
    page = words(reader.get(address(scenes.preparing(user))).content.decode())

    assert "First point after step 1 " in page
    assert "usually" not in page


def test_a_run_that_never_trained_says_so(user: User, reader: Client) -> None:
    deployment = scenes.waiting(user)
    scenes.finish(deployment, "cancelled", at=deployment.created_at + timedelta(minutes=9))  # type: ignore[arg-type]  # a word will do

    assert "No step was trained" in words(reader.get(address(deployment)).content.decode())


# Points for scripts.


def test_the_points_are_those_of_the_drawing(small: Deployment, reader: Client) -> None:
    loss = told(reader, small, "only=loss")["loss"]

    by_role = {line["role"]: (line["x"], line["y"]) for line in loss["lines"]}
    assert by_role == {
        "smooth": ([1, 3], [2, 1.44444]),
        "raw": ([1, 2, 3], [2, None, 1]),
        "eval": ([2], [1.5]),
    }
    assert (loss["axis"], loss["log"], loss["limit"]) == ("step", False, None)


def test_along_another_axis_the_points_keep_their_steps(user: User, reader: Client) -> None:
    loss = told(reader, scenes.training(user), "only=loss&x=epoch")["loss"]

    raw = next(line for line in loss["lines"] if line["role"] == "raw")
    assert raw["step"][:2] == [1, 2]
    assert raw["x"][1] == pytest.approx(2 * 3 / 285, rel=1e-4)


def test_only_what_is_asked_for_is_answered(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    assert set(told(reader, deployment, "only=loss,cost")) == {"loss", "cost"}
    assert set(told(reader, deployment)) == set(kinds.BY_NAME)


def test_nothing_new_is_answered_with_nothing(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    first = reader.get(address(deployment, "points/"))

    again = reader.get(address(deployment, "points/"), headers={"If-None-Match": first["ETag"]})
    deployment.machines.get().run.__class__.objects.update(accepted_through=9999)
    newer = reader.get(address(deployment, "points/"), headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert newer.status_code == 200
    assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"


def test_a_part_of_a_long_run_is_told_more_closely(user: User, reader: Client) -> None:
    deployment = scenes.run(user)
    machine = scenes.prepared(deployment)
    telling.told(machine, {"train/loss": [float(step % 7) for step in range(4000)]})

    whole = told(reader, deployment, "only=loss")["loss"]
    part = told(reader, deployment, "only=loss&from_step=1000&to_step=1100")["loss"]
    end = told(reader, deployment, "only=loss&from_step=3900&to_step=2147483647")["loss"]

    assert len(whole["lines"][1]["x"]) < 800
    assert part["lines"][1]["x"] == list(range(1000, 1101))
    assert end["lines"][1]["x"] == list(range(3900, 4001))
    assert part["lines"][1]["y"][:3] == [999 % 7, 1000 % 7, 1001 % 7]


@pytest.mark.parametrize("query", ["from_step=9&to_step=3", "from_step=x&to_step=", "from_step=5"])
def test_a_part_that_is_none_is_the_whole(small: Deployment, reader: Client, query: str) -> None:
    assert told(reader, small, query) == told(reader, small)


# Tables.


def test_the_loss_is_also_a_table_newest_first_and_a_csv(small: Deployment, reader: Client) -> None:
    page = words(reader.get(address(small, "loss/")).content.decode())
    table = reader.get(address(small, "loss.csv"))

    assert "3 1.000 1.444 2 not a number 1.500 1 2.000 2.000" in page
    assert table["Content-Disposition"].endswith('"support-answers-v3-loss.csv"')
    assert body(table).splitlines() == [
        "step,train/loss,smoothed,eval/loss",
        "1,2.0,2.0,",
        "2,,,1.5",
        "3,1.0,1.444444,",
    ]


def test_a_long_table_is_paged_and_its_smoothed_figures_stay_right(
    user: User, reader: Client
) -> None:
    deployment = scenes.run(user)
    machine = scenes.prepared(deployment)
    telling.told(machine, {"train/loss": [3 - step / 1000 for step in range(1200)]})

    first = reader.get(address(deployment, "loss/")).content.decode()
    (older,) = re.findall(r'href="(\?before=\d+)"', first)
    second = reader.get(address(deployment, f"loss/{older}")).content.decode()
    table = body(reader.get(address(deployment, "loss.csv"))).splitlines()

    assert older == f"?before={1200 - tables.ROWS_A_PAGE + 1}"
    steps = re.findall(r'<th scope="row" class="number">([\d,]+)</th>', second)
    assert (steps[0], steps[-1], len(steps)) == ("950", "701", 250)
    smoothed = float(table[950].split(",")[2])
    assert f"{smoothed:.3f}" in words(second)


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("gpu-memory", 'step,"GPU memory, GB"', r"\d+,13\.\d+"),
        ("learning-rate", "step,Learning rate", r"\d+,[\d.e-]+"),
        ("cost", 'step,Time,"Cost, USD"', r"0,[\dT:+-]+,0\.\d{4}"),
    ],
)
def test_every_chart_has_its_table_and_its_csv(
    user: User, reader: Client, name: str, head: str, row: str
) -> None:
    deployment = scenes.training(user)

    page = reader.get(address(deployment, f"{name}/")).content.decode()
    lines = body(reader.get(address(deployment, f"{name}.csv"))).splitlines()

    assert page.count('<th scope="row"') == len(lines) - 1
    assert lines[0] == head
    assert re.fullmatch(row, lines[1])


def test_an_unknown_chart_is_not_found(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    assert reader.get(address(deployment, "weather/")).status_code == 404
    assert reader.get(address(deployment, "weather.csv")).status_code == 404


@pytest.mark.parametrize("path", ["", "points/", "loss/", "loss.csv"])
def test_i18_somebody_elses_charts_are_not_found(user: User, path: str) -> None:
    deployment = scenes.training(user)

    assert signed_in(builders.make_user()).get(address(deployment, path)).status_code == 404


def test_the_tab_asks_as_many_questions_for_a_long_run_as_for_a_short_one(user: User) -> None:
    data = scenes.dataset(user)
    short, long = scenes.training(user, dataset=data), scenes.training(user, dataset=data)
    telling.told(long.machines.get(), {"train/loss": [1.0] * 3000, "train/tokens": [9.0] * 3000})
    reader = signed_in(user)

    counts = []
    for deployment in (short, long):
        with CaptureQueriesContext(connection) as captured:
            reader.get(address(deployment))
        counts.append(len(captured))

    assert counts[0] == counts[1] < 40
