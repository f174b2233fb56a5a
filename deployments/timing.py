"""Every duration and count the life of a deployment depends on, as one value.

The defaults are those of FAULTS.md; each can be set by an environment variable of the field's
name in capitals, so that the sandbox can run a whole life in seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Durations in seconds unless the name says otherwise."""

    poll_seconds: float = 10.0
    # D2: how long, and over how many good lists, a launch without an answer may stay invisible.
    visibility_window_seconds: float = 120.0
    visibility_lists: int = 4
    launch_timeout_seconds: float = 30.0
    # D3: two good lists this far apart without the machine prove that it is gone.
    proof_interval_seconds: float = 30.0
    # F25.
    boot_limit_seconds: float = 1200.0
    boot_limit_many_gpus_seconds: float = 2100.0
    # R3 and F29.
    ssh_retry_seconds: float = 10.0
    ssh_limit_seconds: float = 600.0
    ssh_refused_login_limit_seconds: float = 180.0
    # T7: how long the log of a machine that answers may stay without its host keys.
    host_key_told_seconds: float = 120.0
    # How long after a machine's end the cloud is asked what it billed, and asked again: bills may
    # grow for a day, and the first answer stands.
    bill_delay_seconds: float = 86400.0
    # R2.
    capacity_retry_seconds: float = 60.0
    # I5: how long a cloud may fail to tell its offers once the user's wait is over.
    ask_limit_seconds: float = 120.0
    # F6: what a machine usually takes to boot; a budget must pay for that and the landing.
    expected_boot_seconds: float = 300.0
    # From SSH login to the first training step: packages, data and base model included.
    prepare_limit_seconds: float = 3600.0
    # F43: time in which we looked, the cloud answered, and the run log had nothing new.
    silence_limit_seconds: float = 600.0
    # The dead-man: after so long without a sign of us the machine stops training and saves; 0 is
    # never. Long enough for an upgrade: runs go on while the control plane is away.
    control_silence_limit_seconds: float = 1800.0
    # F52: so much silence of a machine that lets us in, and we look whether its agent still lives.
    agent_look_seconds: float = 60.0
    # F44: how long a step may take at least before the run counts as stalled, and in how many of
    # its own median steps; at twice that it is ended.
    step_limit_seconds: float = 900.0
    step_limit_medians: float = 20.0
    # F50: how long a machine that the cloud calls unhealthy may be silent as well.
    unhealthy_limit_seconds: float = 60.0
    # D8: what a safe landing may take; it is kept back from the budget.
    save_seconds: float = 60.0
    collect_seconds: float = 120.0
    terminate_reserve_seconds: float = 60.0
    # R4: terminate is repeated for ever between these two, and after "ok" each minute (F65).
    terminate_retry_seconds: float = 5.0
    terminate_retry_limit_seconds: float = 300.0
    terminate_repeat_seconds: float = 60.0
    terminate_alarm_seconds: float = 600.0
    # F67: how long a machine may be shown as ending.
    terminating_alarm_seconds: float = 900.0
    # How long a user's own machine, asked to let go of a run, may be away before the run ends
    # without it: nobody bills for it, and it may never come back.
    own_machine_away_seconds: float = 86400.0
    # D2: how long after a deployment's end its machine names are watched.
    watch_seconds: float = 86400.0
    # F69: how long a machine with our prefix and no row may live.
    stray_grace_seconds: float = 900.0
    # D5, D10.
    lease_seconds: float = 50.0
    slice_seconds: float = 30.0
    claim_seconds: float = 15.0
    # D9: one pacer per key; Lambda allows one request a second and a launch each 12 s.
    request_interval_seconds: float = 1.1
    launch_interval_seconds: float = 13.0
    heartbeat_seconds: float = 15.0
    # D6: how often a worker looks for due rows; D7: how often each account is swept.
    ticker_seconds: float = 1.0
    sweep_seconds: float = 60.0
    # A queue whose canary is not answered for this long is killed and started again; it must
    # exceed the 50 s a task may take (libraries.md section 2).
    canary_seconds: float = 5.0
    stall_limit_seconds: float = 90.0
