"""The commands we send to a machine, as data."""

import shlex

from core.errors import SlipwayError
from deployments.training.job_file import run_folder

# Started once, however often we ask (F39, I11): whoever makes the lock directory starts the
# agent; everybody else reads the pid it wrote there. An agent that died without its exit event
# (killed, machine rebooted) is started again, but only once (F52): the directory lock/again says
# that it was. Two agents can never run: the agent itself holds a kernel lock on lock/held.
_START = """\
cd {folder} || exit 1
umask 077
mine() {{
    pid=$(cat lock/pid 2>/dev/null) && [ -n "$pid" ] && tr '\\0' '\\n' < "/proc/$pid/cmdline" \
2>/dev/null | grep -qx agent.py
}}
over() {{
    tail -n 1 run.jsonl 2>/dev/null | grep -q '^{{"seq": [0-9]*, "time": "[^"]*", "kind": "exit"'
}}
answer() {{
    for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        if mine || over; then cat lock/pid; exit 0; fi
        sleep 0.25
    done
}}
start() {{
    rm -f lock/pid
    setsid nohup python3 agent.py >> agent.log 2>&1 < /dev/null &
    answer
    tail -n 5 agent.log >&2
    exit 1
}}
if mkdir lock 2>/dev/null; then
    printf '%s\\n' {name} > lock/run_id
    start
fi
answer
if mkdir lock/again 2>/dev/null; then start; fi
echo "The agent ended twice without a word." >&2
tail -n 5 agent.log >&2
exit 1
"""


def start_agent(machine_name: str) -> str:
    """Return the shell command that starts the agent, or finds it started, and prints its pid.

    It returns at once, or after five seconds in which no agent came up; repeat it at will.
    """
    return _START.format(
        folder=shlex.quote(run_folder(machine_name)), name=shlex.quote(machine_name)
    )


def start_failed(text: str) -> SlipwayError:
    """Return the error for what the start command said when it did not start the agent."""
    reason = text.strip()[-500:] or "no reason given"
    return SlipwayError(
        f"The agent could not be started on the machine: {reason}",
        code="E_AGENT_START",
        remedy="Check that the image has python3 (3.9 or newer), then start the run again.",
    )
