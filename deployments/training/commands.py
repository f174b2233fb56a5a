"""The commands we send to a machine, as data."""

import shlex

from core.errors import SlipwayError
from deployments.training.job_file import run_folder

# The exit status of a start on a machine that was rebooted under its run (F52).
REBOOTED = 76
# Started once, however often we ask (F39, I11): whoever makes the lock directory starts the
# agent; everybody else reads the pid it wrote there. An agent that was killed without its exit
# event is started again, but only once: the directory lock/again says that it was. After a reboot
# none is started, and the answer says so (F52). Two agents can never run: the agent itself holds
# a kernel lock on lock/held.
_START = """\
cd {folder} || exit 1
umask 077
boot=$(cat /proc/sys/kernel/random/boot_id)
lives() {{
    tr '\\0' '\\n' < "/proc/$1/cmdline" 2>/dev/null | grep -qx agent.py
}}
over() {{
    tail -n 1 run.jsonl 2>/dev/null | grep -q '^{{"seq": [0-9]*, "time": "[^"]*", "kind": "exit"'
}}
# Waits for an agent, other than the one known to be dead. Returns when it is dead as well (the
# one started again for sure), or none came.
dead=
look() {{
    looks=0
    while [ $looks -lt 120 ]; do
        # Asked before the pid is read, or the pid may be newer than the answer.
        final=no
        if [ lock/pid -nt lock/again ]; then final=yes; fi
        last=$(cat lock/pid 2>/dev/null)
        if [ -n "$last" ] && {{ lives "$last" || over; }}; then echo "$last"; exit 0; fi
        if [ -n "$last" ] && {{ [ "$last" != "$dead" ] || [ $final = yes ]; }}; then
            dead=$last
            return
        fi
        if [ $looks -ge 10 ] && [ -n "${{1:-}}" ] && ! kill -0 "$1" 2>/dev/null; then return; fi
        looks=$((looks + 1))
        sleep 0.1
    done
}}
fail() {{
    echo "$1" >&2
    tail -n 5 agent.log >&2
    exit 1
}}
start() {{
    setsid nohup python3 agent.py >> agent.log 2>&1 < /dev/null &
    look $!
    fail "The agent did not come up."
}}
if mkdir lock 2>/dev/null; then
    printf '%s\\n' {name} > lock/run_id
    printf '%s\\n' "$boot" > lock/boot
    start
fi
if [ -s lock/boot ] && [ "$(cat lock/boot)" != "$boot" ] && ! over; then
    echo "The machine was rebooted." >&2
    exit {rebooted}
fi
look
if mkdir lock/again 2>/dev/null; then start; fi
# Another start may be doing that right now.
sleep 0.3
look
fail "The agent ended twice without a word."
"""


def start_agent(machine_name: str) -> str:
    """Return the shell command that starts the agent, or finds it started, and prints its pid.

    It returns as soon as the agent is up, or after twelve seconds without one; repeat it at will.
    Its exit status is REBOOTED where the machine was rebooted since.
    """
    return _START.format(
        folder=shlex.quote(run_folder(machine_name)),
        name=shlex.quote(machine_name),
        rebooted=REBOOTED,
    )


def start_failed(text: str) -> SlipwayError:
    """Return the error for what the start command said when it did not start the agent."""
    reason = text.strip()[-500:] or "no reason given"
    return SlipwayError(
        f"The agent could not be started on the machine: {reason}",
        code="E_AGENT_START",
        remedy="Check that the image has python3 (3.10 or newer), then start the run again.",
    )
