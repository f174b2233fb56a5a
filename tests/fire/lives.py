"""Many lives at once under two real workers on PostgreSQL, while cloud, line and users misbehave.

``python -m tests.fire.lives --lives 200 --at-once 40 --seed 1`` starts a PostgreSQL, a sandbox and
two ``manage.py worker`` with all their processes; SSH and the agent are real, training is a
stand-in. A seed draws what goes wrong. It prints what does not hold of I1, I3, I4, I6 to I8, I10,
I11, I13, I15 and I21; the exit status says whether all did.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from deployments.management.local_stack import LocalStack
from tests.end_to_end.test_database_stops import second_worker
from tests.fire.stand_in import StandIn, make_stand_in
from tests.postgresql import running_postgresql

TIMES = {
    "POLL_SECONDS": "2",
    "EXPECTED_BOOT_SECONDS": "30",
    "PROOF_INTERVAL_SECONDS": "4",
    "VISIBILITY_WINDOW_SECONDS": "6",
    "SSH_RETRY_SECONDS": "1",
    "CAPACITY_RETRY_SECONDS": "2",
    "TERMINATE_RETRY_SECONDS": "0.5",
    "TERMINATE_RETRY_LIMIT_SECONDS": "2",
    "TERMINATE_REPEAT_SECONDS": "3",
    "REQUEST_INTERVAL_SECONDS": "0.05",
    "LAUNCH_INTERVAL_SECONDS": "0.1",
    "HEARTBEAT_SECONDS": "3",
    "SWEEP_SECONDS": "10",
    "BOOT_LIMIT_SECONDS": "30",
    "BOOT_LIMIT_MANY_GPUS_SECONDS": "30",
    "SSH_LIMIT_SECONDS": "40",
    "SSH_REFUSED_LOGIN_LIMIT_SECONDS": "15",
    "SILENCE_LIMIT_SECONDS": "25",
    "UNHEALTHY_LIMIT_SECONDS": "10",
    "SAVE_SECONDS": "20",
    "COLLECT_SECONDS": "20",
    "TERMINATE_RESERVE_SECONDS": "10",
    "LEASE_SECONDS": "30",
    "SLICE_SECONDS": "10",
    "CLAIM_SECONDS": "5",
    "SANDBOX_BOOT_SECONDS": "0.5",
    "LOG_LEVEL": "ERROR",
}
# Of the lives that could succeed.
SUCCESS_SHARE = 0.99
FATES = {"completes": 85, "crashes": 5, "killed": 3, "no_numbers": 4, "fails": 3}


@contextmanager
def two_workers(folder: Path) -> Iterator[tuple[LocalStack, StandIn]]:
    """Start everything but a web process; ours becomes one that knows the same rows and settings.

    All of it has ended when the block is left.
    """
    stand_in = make_stand_in(
        folder / "stand-in", step_seconds=0.15, adapter_bytes=100_000, fates=FATES
    )
    with running_postgresql() as server:
        stack = LocalStack(
            folder / "slipway",
            models_dir=stand_in.models_dir,
            image_python=stand_in.python,
            extra={**TIMES, "DATABASE_URL": server.url()},
        )
        stack.manage("migrate", "--verbosity", "0")
        os.environ.update(stack.environment, DJANGO_SETTINGS_MODULE="config.settings")
        django.setup()
        try:
            stack.start_sandbox()
            stack.start_worker()
            with second_worker(stack):
                yield stack, stand_in
        finally:
            stack.stop()
            django.db.connections.close_all()


def main(arguments: list[str]) -> int:
    """Run the lives with these arguments and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args(arguments)
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"{asked.lives} lives, {asked.at_once} at once, seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="slipway-lives-") as folder,
        two_workers(Path(folder)) as (stack, stand_in),
    ):
        # Django is not set up before.
        from tests.fire.lives_checks import wrong_at_the_end
        from tests.fire.lives_loop import Lives

        began = time.monotonic()
        lives = Lives(stack, stand_in, wanted=asked.lives, at_once=asked.at_once, seed=seed)
        lives.perform()
        seconds = time.monotonic() - began
        wrong = [*lives.watch.wrong, *wrong_at_the_end(stack, lives.deployments())]
        could, unlucky = lives.unlucky()
        print(lives.figures(), f"{seconds:.0f} s", sep="\n")
        print(f"could succeed: {could}, did not: {len(unlucky)}")
        if len(unlucky) > could * (1 - SUCCESS_SHARE):
            wrong += [f"{d.pk} could have succeeded: {d.error}" for d in unlucky]
        print("\n".join(wrong) or "everything holds", flush=True)
        if wrong:
            print(lives.stories(wrong), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
