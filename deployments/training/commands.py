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
# Waits for the agent to answer. Returns when it has a pid that is dead, or never got one.
look() {{
    looks=0
    while [ $looks -lt 120 ]; do
        if [ -s lock/pid ]; then
            if mine || over; then cat lock/pid; exit 0; fi
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
    rm -f lock/pid
    setsid nohup python3 agent.py >> agent.log 2>&1 < /dev/null &
    look $!
    fail "The agent did not come up."
}}
if mkdir lock 2>/dev/null; then
    printf '%s\\n' {name} > lock/run_id
    start
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
