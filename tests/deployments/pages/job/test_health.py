"""What the figures of a run say: each rule once when it speaks, and when it has nothing to say."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from deployments.pages.job import health
from deployments.pages.job.health import BAD, INFO, OK, WARN, Note, Readings
from tests.builders import NOON


def readings(**fields: object) -> Readings:
    """Return a run that trains and has told nothing, unless said."""
    return Readings(**({"now": NOON, "is_training": True} | fields))  # type: ignore[arg-type]


def numbered(values: Sequence[float | None], *, first: int = 1) -> list[tuple[int, float | None]]:
    return list(enumerate(values, start=first))


def gpu(**fields: object) -> dict[str, object]:
    return {"gpus": [fields]}


def only(notes: tuple[Note, ...]) -> Note:
    (note,) = notes
    return note


def test_a_run_that_has_told_nothing_leaves_nothing_to_say() -> None:
    assert health.notes(readings()) == ()


def test_too_few_losses_have_no_trend() -> None:
    values = numbered([2.0] * (2 * health.WINDOW - 1))

    assert health.notes(readings(train_loss=values)) == ()


def test_a_falling_loss_says_by_how_much_and_since_when() -> None:
    values = numbered([2.0 - 0.01 * n for n in range(100)])

    note = only(health.notes(readings(train_loss=values)))

    assert note == Note(OK, "Loss is falling", "train 1.255, down 0.5 since step 51")


def test_a_rising_loss_is_a_warning() -> None:
    values = numbered([1.0 + 0.002 * n for n in range(100)])

    note = only(health.notes(readings(train_loss=values)))

    assert (note.tone, note.title) == (WARN, "Loss is rising")
    assert note.evidence.startswith("train 1.149, up 0.1 since step 51")


@pytest.mark.parametrize("change", [0.0, 0.9 * health.FLAT_SHARE, -0.9 * health.FLAT_SHARE])
def test_a_loss_that_hardly_moves_is_flat(change: float) -> None:
    values = numbered([1.0] * 50 + [1.0 + change] * 50)

    assert only(health.notes(readings(train_loss=values))).title == "Loss is flat"


def test_noise_larger_than_the_change_is_no_trend() -> None:
    # Without the noise a fall of 4 percent would be told.
    values = numbered([1.0 + n % 2 for n in range(50)] + [0.94 + n % 2 for n in range(50)])

    assert only(health.notes(readings(train_loss=values))).title == "Loss is flat"


def test_a_loss_that_shoots_up_is_told_before_longer_means_show_it() -> None:
    values = numbered([1.0 + 0.1 * (n % 2) for n in range(50)] + [1.5, 2.0, 2.5, 3.0, 3.5])

    note = only(health.notes(readings(train_loss=values)))

    assert (note.tone, note.title) == (WARN, "Loss shoots up")
    assert note.evidence.startswith("train 2.500, was 1.050 before step 51")


@pytest.mark.parametrize(
    "newest", [[2.0, 1.0, 1.0, 1.0, 1.0], [1.2] * 5, [3.0, 3.0, 3.0, 3.0, 1.0]]
)
def test_high_losses_among_usual_ones_or_a_small_rise_are_no_divergence(
    newest: list[float],
) -> None:
    values = numbered([1.0 + 0.1 * (n % 2) for n in range(95)] + newest)

    assert only(health.notes(readings(train_loss=values))).title != "Loss shoots up"


def test_f47_a_loss_that_is_not_a_number_comes_first_and_names_its_step() -> None:
    values = numbered([2.0 - 0.01 * n for n in range(60)] + [None, None])

    first, *_ = health.notes(readings(train_loss=values))

    assert (first.tone, first.title) == (BAD, "A loss is not a number")
    assert first.evidence.startswith("train loss at step 61 and 1 more")


def test_a_gradient_that_is_not_a_number_says_nothing_since_fp16_begins_so() -> None:
    assert health.notes(readings(grad_norm=numbered([None] * 30))) == ()


def evals(*values: float) -> list[tuple[int, float | None]]:
    return [(48 * (n + 1), value) for n, value in enumerate(values)]


def test_one_evaluation_alone_says_nothing() -> None:
    assert health.notes(readings(eval_loss=evals(1.2))) == ()


def test_falling_evaluations_show_no_sign_of_overfitting() -> None:
    note = only(health.notes(readings(eval_loss=evals(1.3, 1.2, 1.164))))

    assert note == Note(OK, "No sign of overfitting", "eval 1.164, second fall in a row")


def test_one_rise_of_the_evaluation_may_be_chance() -> None:
    note = only(health.notes(readings(eval_loss=evals(1.3, 1.2, 1.25))))

    assert (note.tone, note.title) == (INFO, "The last evaluation was worse")
    assert "up from 1.200" in note.evidence


def test_the_second_rise_in_a_row_is_a_sign_of_overfitting_and_names_the_best() -> None:
    note = only(health.notes(readings(eval_loss=evals(1.3, 1.2, 1.25, 1.3))))

    assert (note.tone, note.title) == (WARN, "A sign of overfitting")
    assert note.evidence == "eval 1.300 at step 192, second rise in a row; best 1.200 at 96"


def test_a_rise_within_the_noise_of_evaluation_is_none() -> None:
    note = only(health.notes(readings(eval_loss=evals(1.2, 1.2001))))

    assert note == Note(OK, "No sign of overfitting", "eval 1.200, as it was")


def test_a_gradient_far_above_its_neighbours_is_a_spike() -> None:
    values = numbered([0.5] * 25 + [9.0, 0.5])

    note = only(health.notes(readings(grad_norm=values)))

    assert note == Note(WARN, "The gradient spikes", "9.000 at step 26, usually 0.500")


def test_a_gradient_below_the_threshold_or_too_few_of_them_are_no_spike() -> None:
    below = numbered([0.5] * 25 + [0.5 * health.SPIKE_TIMES])
    few = numbered([0.5] * (health.SPIKE_NEEDS - 2) + [50.0])

    assert health.notes(readings(grad_norm=below)) == ()
    assert health.notes(readings(grad_norm=few)) == ()


def test_a_learning_rate_of_zero_is_a_warning_while_training() -> None:
    losses = numbered([1.0, 1.0])

    zero = health.notes(readings(train_loss=losses, learning_rate=0.0))
    over = health.notes(readings(train_loss=losses, learning_rate=0.0, is_training=False))

    assert only(zero).title == "The learning rate is zero"
    assert over == ()
    assert health.notes(readings(train_loss=losses, learning_rate=1e-9)) == ()


def test_a_card_with_room_names_a_micro_batch_that_surely_fits() -> None:
    beat = gpu(memory_used_mib=8 * 1024, memory_total_mib=24 * 1024)

    note = only(health.notes(readings(heartbeat=beat, micro_batch=4)))

    # Twice and a half as much as now, were the model itself to grow too: 21.6 of 24 GB.
    assert note == Note(
        INFO, "The card has room", "8.0 of 24 GB in use; a micro-batch of 10 would fit"
    )


def test_a_card_with_room_for_no_larger_batch_names_none() -> None:
    beat = gpu(memory_used_mib=15 * 1024, memory_total_mib=24 * 1024)

    note = only(health.notes(readings(heartbeat=beat, micro_batch=1)))

    assert note.evidence == "15.0 of 24 GB in use"


def test_a_card_that_is_nearly_full_names_a_smaller_micro_batch() -> None:
    beat = gpu(memory_used_mib=23 * 1024, memory_total_mib=24 * 1024)

    note = only(health.notes(readings(heartbeat=beat, micro_batch=4)))

    assert (note.tone, note.title) == (WARN, "The card is nearly full")
    assert note.evidence == "23.0 of 24 GB in use; a micro-batch of 2 would need less"


def test_a_card_neither_full_nor_empty_says_nothing() -> None:
    beat = gpu(memory_used_mib=19 * 1024, memory_total_mib=24 * 1024)

    assert health.notes(readings(heartbeat=beat, micro_batch=4)) == ()


@pytest.mark.parametrize("fields", [{"is_stand_in": True}, {"is_training": False}])
def test_the_card_of_a_stand_in_or_of_a_run_that_does_not_train_says_nothing(
    fields: dict[str, bool],
) -> None:
    beat = gpu(memory_used_mib=1, memory_total_mib=24 * 1024)

    assert health.notes(readings(heartbeat=beat, gpu_percents=[0.0] * 9, **fields)) == ()


def test_a_gpu_that_waits_is_told_with_its_mean() -> None:
    note = only(health.notes(readings(gpu_percents=[30.0, 40.0, 20.0, 30.0, 30.0])))

    assert (note.tone, note.title) == (WARN, "The GPU waits")
    assert note.evidence.startswith("30 % busy over the last 5 looks")


def test_a_busy_gpu_or_one_looked_at_too_rarely_says_nothing() -> None:
    assert health.notes(readings(gpu_percents=[97.0] * 20)) == ()
    assert health.notes(readings(gpu_percents=[0.0] * (health.LOOKS - 1))) == ()


def test_f43_silence_is_told_with_its_length_and_the_last_look() -> None:
    quiet = NOON - timedelta(seconds=health.QUIET_SECONDS)

    note = only(health.notes(readings(news_at=quiet, looked_at=NOON)))

    assert (note.tone, note.title) == (WARN, "No news for 1\N{NO-BREAK SPACE}min")
    assert "last look" in note.evidence
    assert health.notes(readings(news_at=quiet + timedelta(seconds=1))) == ()


def test_t3_figures_that_are_no_figures_say_nothing() -> None:
    beat = gpu(memory_used_mib="<b>", memory_total_mib=True)

    assert health.notes(readings(heartbeat=beat)) == ()
    assert health.notes(readings(heartbeat={"gpus": "none"})) == ()
