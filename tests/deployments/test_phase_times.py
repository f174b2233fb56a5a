"""How long the phases around training take, by hand-worked numbers, and what holds for any run."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import costs, phase_times
from deployments.estimate import ModelShape, Range, Work
from deployments.phase_times import Run, Told
from deployments.timing import Timing

SHAPE = ModelShape(8, 16, 2, 4, 2, 2, 100, is_tied=False)
RUN = Run(
    shape=SHAPE,
    work=Work("sft", 1_000_000_000, 1e6, 0, steps=100, micro_batch=4, row_tokens=1000),
    adapter_bytes=80_000_000,
    data_bytes=0,
    is_local_model=False,
    peak_tflops=125.0,
    is_stand_in=False,
)


def seconds(run: Run, word: str, **told: Told) -> Range[float]:
    found = phase_times.phases(run, timing=Timing(), told=told)
    return next(phase.seconds for phase in found if phase.word == word)


def test_bringing_home_is_the_adapters_bytes_and_the_looks_around_them() -> None:
    # 80 MB at 40 to 2 MB/s: 2 to 40 s, and 10 to 40 s around it.
    home = seconds(RUN, "Bring home")

    assert (home.low, home.high) == (12.0, 80.0)


def test_preparing_is_packages_model_load_and_the_first_step() -> None:
    # 2,752 weights are 5,504 bytes: nothing beside 45 to 240 s of packages and 20 to 60 s of start.
    prepare = seconds(RUN, "Prepare")

    assert prepare.low == pytest.approx(65, abs=0.1)
    assert prepare.high == pytest.approx(300, abs=0.1)


def test_a_local_model_travels_at_our_own_pace() -> None:
    # 1 GB of data at 40 to 2 MB/s: 25 to 500 s more.
    large = replace(RUN, data_bytes=1_000_000_000)

    assert seconds(large, "Prepare").low == pytest.approx(90, abs=0.1)
    assert seconds(large, "Prepare").high == pytest.approx(800, abs=0.1)


def test_ending_takes_two_lists_and_what_the_cloud_needs() -> None:
    # 30 s between the lists, 10 s until one looks; at most 60 s more.
    assert seconds(RUN, "End and prove") == Range(40.0, 100.0)


def test_what_past_machines_took_replaces_the_usual_times() -> None:
    told = Told(Range(100.0, 120.0), "3 machines of this installation")

    found = phase_times.phases(RUN, timing=Timing(), told={"Boot": told})

    assert (found[0].seconds, found[0].basis) == (told.seconds, told.basis)
    assert found[1].basis == "usual times"


def test_training_says_what_share_of_the_peak_it_counts_on() -> None:
    (train,) = [p for p in phase_times.phases(RUN, timing=Timing(), told={}) if p.word == "Train"]

    assert train.basis == "25 to 35 % of 125 TFLOPS"


runs = st.builds(
    Run,
    shape=st.just(SHAPE),
    work=st.builds(
        Work,
        method=st.sampled_from(["sft", "dpo", "orpo"]),
        parameters=st.integers(1, 10**12),
        tokens=st.floats(0, 1e11),
        evaluation_tokens=st.floats(0, 1e11),
        steps=st.integers(1, 10**6),
        micro_batch=st.integers(1, 256),
        row_tokens=st.floats(1, 131_072),
    ),
    adapter_bytes=st.integers(0, 10**11),
    data_bytes=st.integers(0, 10**11),
    is_local_model=st.booleans(),
    peak_tflops=st.none() | st.floats(1, 5000),
    is_stand_in=st.booleans(),
)


@given(runs, st.decimals("0.01", "100", places=2))
def test_no_phase_is_negative_and_no_range_upside_down(run: Run, hourly: Decimal) -> None:
    found = phase_times.phases(run, timing=Timing(), told={})
    total = phase_times.total(phase.seconds for phase in found)

    assert [phase.word for phase in found] == list(phase_times.WORDS)
    assert all(0 <= phase.seconds.low <= phase.seconds.high for phase in found)
    low, high = (
        costs.rent(hourly, seconds=end, quantum_seconds=60) for end in (total.low, total.high)
    )
    assert 0 < low <= high
