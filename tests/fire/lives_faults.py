"""What goes wrong in the lives: faults about one deployment's machines, and about the account."""

import random
from typing import Any

# (on, kind, values); a pair of numbers is a range to draw from.
Template = tuple[str, str, dict[str, Any]]
OF_ONE_LIFE: tuple[Template, ...] = (
    ("launch", "drop_after_commit", {}),
    ("launch", "status", {"status": 500, "commit": True}),
    ("launch", "garbage", {}),
    ("launch", "capacity", {"times": 2}),
    ("launch", "two_ids", {}),
    ("launch", "boot_never_ends", {}),
    ("launch", "unhealthy", {}),
    ("launch", "unhealthy_later", {"seconds": (0, 6)}),
    ("launch", "preempted", {"seconds": (0, 8)}),
    ("launch", "vanish", {"seconds": (0, 8)}),
    ("launch", "hide_from_list", {"seconds": (1, 10)}),
    ("launch", "ip_late", {"seconds": (0, 2)}),
    ("launch", "ip_changes", {"seconds": (0, 6)}),
    ("launch", "ssh_refused", {"seconds": (0, 4)}),
    ("launch", "host_key_ignored", {}),
    ("launch", "no_stand_in", {}),
    ("launch", "disk_full", {"bytes": (0, 200_000)}),
    ("launch", "install_fails", {"tries": 1}),
    ("launch", "reboot", {"seconds": (1, 8)}),
    ("launch", "signal", {"signal": "KILL", "seconds": (0, 3)}),
    ("launch", "signal", {"signal": "STOP", "process": "agent.py", "seconds": (0, 3)}),
    ("terminate", "ok_but_alive", {}),
    ("terminate", "stuck_terminating", {"seconds": (0, 8)}),
    ("ssh", "ssh_reset", {"times": 3}),
    ("ssh", "ssh_hang", {}),
    ("ssh", "ssh_cut", {"bytes": (5_000, 200_000), "times": 2}),
    ("ssh", "ssh_throttle", {"bytes_per_second": (50_000, 400_000), "times": 3}),
    ("ssh", "ssh_slow_banner", {"seconds": (0, 3)}),
    ("ssh", "ssh_auth_refused", {"times": 2}),
    ("ssh", "ssh_wrong_host_key", {}),
    ("exec", "exec_unanswered", {}),
)
OF_THE_ACCOUNT: tuple[Template, ...] = (
    ("list", "status", {"status": 503}),
    ("list", "status", {"status": 429}),
    ("list", "garbage", {}),
    ("list", "delay", {"seconds": (0, 3)}),
    ("list", "empty_list", {}),
    ("list", "truncated_list", {"keep": (0, 10)}),
    ("list", "stale_list", {}),
    ("list", "foreign_list", {}),
    ("launch", "drop_before_commit", {}),
    ("launch", "status", {"status": 503}),
    ("launch", "status", {"status": 429}),
    ("terminate", "status", {"status": 500}),
    ("terminate", "status", {"status": 404}),
    ("terminate", "drop_before_commit", {}),
    ("terminate", "drop_after_commit", {}),
)
# Those that cost a life its machine, or may: it goes on upon a second one.
COST_A_MACHINE = frozenset(
    {
        "boot_never_ends",
        "unhealthy",
        "unhealthy_later",
        "preempted",
        "vanish",
        "ssh_refused",
        "no_stand_in",
        "install_fails",
        "reboot",
        "ssh_hang",
        "ssh_auth_refused",
        "two_ids",
    }
)
# No second machine is rented for these; a training that was killed had too little memory (F46).
FINAL = frozenset({"disk_full", "host_key_ignored", "signal", "ssh_wrong_host_key"})


def draw(chance: random.Random, templates: tuple[Template, ...]) -> dict[str, Any]:
    """Return a row for the sandbox's script."""
    on, kind, values = chance.choice(templates)
    drawn = {
        name: chance.randint(*value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
    return {"on": on, "kind": kind, **drawn}
