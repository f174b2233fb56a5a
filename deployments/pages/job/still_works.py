"""What still works while a run needs its owner: the machine's log, the cloud's list. Pure."""

from datetime import datetime

from deployments.overview import DeploymentOverview
from deployments.pages.job.health import BAD, OK, QUIET_SECONDS, Note
from deployments.templatetags.wording import duration, moment_exact


def still_works(run: DeploymentOverview, *, now: datetime) -> tuple[Note, ...]:
    """Return a note on each way by which we reach a machine; none for a way not yet tried."""
    found = [_log(run, now=now), _account(run, now=now)]
    return tuple(note for note in found if note is not None)


def _log(run: DeploymentOverview, *, now: datetime) -> Note | None:
    news = run.run
    if news is None or news.looked_at is None:
        return None
    seconds = (now - (news.news_at or news.looked_at)).total_seconds()
    if seconds < QUIET_SECONDS:
        return Note(OK, "Training and log", f"read {duration(seconds)} ago")
    return Note(BAD, "Training and log", f"nothing new for {duration(seconds)}")


def _account(run: DeploymentOverview, *, now: datetime) -> Note | None:
    cloud = run.cloud
    if cloud is None:
        return None
    if cloud.failed_since is not None:
        return Note(
            BAD, "Account list, ending", f"failing since {moment_exact(cloud.failed_since)}"
        )
    if cloud.listed_at is None:
        return None
    ago = duration((now - cloud.listed_at).total_seconds())
    return Note(OK, "Account list, ending", f"listed {ago} ago")
