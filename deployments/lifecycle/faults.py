"""What goes wrong with machines and runs, in words: message, remedy, and whether we try again."""

from typing import TypedDict


class Fault(TypedDict):
    """A fault as kept in the rows and shown to users."""

    code: str
    message: str
    remedy: str
    retryable: bool


def fault(code: str, message: str, *, remedy: str, retryable: bool = False) -> Fault:
    return {"code": code, "message": message, "remedy": remedy, "retryable": retryable}


def machine_lost(name: str) -> Fault:
    return fault(
        "E_MACHINE_LOST",
        f"The machine {name} disappeared from the account without our asking.",
        remedy="Start the run again; if it happens twice, choose another region or GPU type.",
        retryable=True,
    )


def machine_unhealthy(status: str) -> Fault:
    return fault(
        "E_MACHINE_UNHEALTHY",
        f"The cloud reports the machine as {status}.",
        remedy="Start the run again, in another region if it happens twice.",
        retryable=True,
    )


def unhealthy_but_works(name: str) -> Fault:
    return fault(
        "E_MACHINE_UNHEALTHY",
        f"The cloud calls {name} unhealthy, but it goes on working, and so do we.",
        remedy="Nothing to do: if it falls silent as well, we end it and try another one.",
    )


def boot_timeout(minutes: float) -> Fault:
    return fault(
        "E_BOOT_TIMEOUT",
        f"The machine did not become usable within {minutes:.0f} minutes.",
        remedy="Start the run again, in another region if it happens twice.",
        retryable=True,
    )


def login_refused(platform: str) -> Fault:
    return fault(
        "E_SSH_AUTH",
        "The machine answers but refuses our SSH key.",
        remedy="Check the user name the image logs in with (the setting "
        f"{platform.upper()}_SSH_USER).",
        retryable=True,
    )


def ssh_unreachable(minutes: float) -> Fault:
    return fault(
        "E_SSH_UNREACHABLE",
        f"The machine is active, but SSH did not answer within {minutes:.0f} minutes.",
        remedy="Check that the account's firewall lets TCP 22 in, then start again.",
        retryable=True,
    )


def host_key_mismatch(platform: str) -> Fault:
    return fault(
        "E_HOSTKEY",
        "The machine showed another SSH host key than the one we know it by. Nothing was sent to "
        "it.",
        remedy="If this image is known to make host keys of its own, set "
        f"{platform.upper()}_HOST_KEY=first_contact; else treat it as an attack and ask the cloud.",
    )


def host_key_untold(platform: str) -> Fault:
    return fault(
        "E_HOSTKEY",
        "The machine answers, but its log does not tell its SSH host key, so we cannot know that "
        "it is ours. Nothing was sent to it.",
        remedy="Choose an image that prints its host keys as it starts, as the cloud's own do; or "
        f"set {platform.upper()}_HOST_KEY=first_contact to believe who answers first.",
    )


def prepare_timeout(minutes: float) -> Fault:
    return fault(
        "E_PREPARE_TIMEOUT",
        f"Packages, data and base model were not in place within {minutes:.0f} minutes.",
        remedy="Read the run's log for the step that took so long, then start again.",
        retryable=True,
    )


def silent(minutes: float) -> Fault:
    return fault(
        "E_SILENT",
        f"For {minutes:.0f} minutes neither the run log nor SSH gave a sign of life.",
        remedy="Start the run again.",
        retryable=True,
    )


def machine_rebooted(name: str) -> Fault:
    return fault(
        "E_MACHINE_REBOOTED",
        f"The machine {name} was rebooted while the run was on it.",
        remedy="Start the run again; if it happens twice, choose another region.",
        retryable=True,
    )


def agent_lost(reason: str) -> Fault:
    return fault(
        "E_AGENT",
        f"The agent on the machine ended without a word. {reason}",
        remedy="Start the run again, on a machine with more memory if it happens twice.",
    )


def over_budget(budget: str) -> Fault:
    return fault(
        "E_BUDGET",
        f"The budget of {budget} USD is used up but for what ending the machine costs.",
        remedy="Raise the budget, or train fewer steps or on a cheaper GPU.",
    )


def over_time(hours: str) -> Fault:
    return fault(
        "E_MAX_HOURS",
        f"The run reached its limit of {hours} hours.",
        remedy="Allow more hours, or train fewer steps.",
    )


def no_adapter() -> Fault:
    return fault(
        "E_NO_ADAPTER",
        "Training ended, but it left no usable adapter.",
        remedy="Read the end of the run's log for the reason.",
    )


def collect_timeout() -> Fault:
    return fault(
        "E_COLLECT",
        "The adapter could not be brought home in the time kept back for it.",
        remedy="Raise the budget or check the network to the machine, then start again.",
    )


def no_capacity(tried: str) -> Fault:
    return fault(
        "E_CAPACITY",
        f"No machine was free in the time you allowed. Tried: {tried}.",
        remedy="Allow other GPU types or regions, raise the price limit, or wait longer.",
    )


def launch_unclear() -> Fault:
    return fault(
        "E_LAUNCH_UNCLEAR",
        "The cloud gave no clear answer to our launches, and none of them ever showed as a "
        "machine. Nothing was started.",
        remedy="Look at the cloud's status page, then start the run again.",
    )


def not_proven_gone(name: str, *, region: str) -> Fault:
    return fault(
        "E_CANNOT_END",
        f"We want {name} in {region} ended, and the cloud does not show that it is. "
        "It may still bill.",
        remedy="We go on asking. To stop the bill now, end it on the cloud's own page.",
    )


def own_machine_away(code: str, message: str, *, machine: str) -> Fault:
    """Told of a machine that its user already has: nobody rents it out, so nobody bills for it."""
    return fault(
        code,
        f"{message} It is your own machine: we never switch it off, and it costs what you say it "
        f"does. What {machine} left there may still be on it.",
        remedy="Switch it on and let this server reach it: then we end the run's processes, remove "
        "its files and let the machine go. We go on trying.",
    )


def out_of_reach(code: str, message: str, *, machine: str, console_url: str) -> Fault:
    return fault(
        code,
        f"{message} We cannot see or end the machine of this run, and it bills.",
        remedy=f"To stop the bill, end {machine} by hand at {console_url}. We go on trying.",
    )


def cannot_end(code: str, message: str, *, machine: str, console_url: str) -> Fault:
    return fault(
        code,
        f"{message} We cannot stop this machine, and it bills.",
        remedy=f"To stop the bill, end {machine} by hand at {console_url}. We go on trying.",
    )


def stuck_ending(name: str, *, minutes: float) -> Fault:
    return fault(
        "E_CANNOT_END",
        f"For {minutes:.0f} minutes the cloud has shown {name} as ending. It may bill until it "
        "is gone.",
        remedy="We go on asking. Look at the machine on the cloud's own page, or ask its support.",
    )


def wrong_machine(got: str, *, wanted: str) -> Fault:
    return fault(
        "E_WRONG_MACHINE",
        f"The cloud started {got} instead of {wanted}.",
        remedy="Start the run again; if it happens twice, choose another GPU type or region.",
        retryable=True,
    )


def price_changed(now: str, *, frozen: str) -> Fault:
    return fault(
        "E_PRICE_CHANGED",
        f"The cloud now asks ${now} an hour for this kind of machine. Yours was rented at "
        f"${frozen}, and that is what we count.",
        remedy="Compare with the cloud's own bill. Stop the run if it charges you the new price "
        "and that is too much.",
    )


def stalled(minutes: float, *, step: int | None) -> Fault:
    where = "Training has not begun its first step" if not step else f"Step {step} does not end"
    return fault(
        "E_STALLED",
        f"{where}: for {minutes:.0f} minutes the machine has lived and trained no further.",
        remedy="Look at the end of the log. Stop the run if nothing moves; often a data loader, "
        "a download or the GPU's driver hangs.",
    )


def gone_at_home(what: str) -> Fault:
    return fault(
        "E_CHECKPOINT",
        f"{what} is not whole at home any more. Nothing was trained.",
        remedy="Put the data folder back from a backup, or go on from another one.",
    )


def strays() -> Fault:
    return fault(
        "E_STRAY_MACHINE",
        "The cloud started more machines than we asked for. We are ending the others.",
        remedy="Nothing to do: this goes away once they are proven gone.",
    )
