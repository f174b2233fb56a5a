"""SSH to a virtual machine: files in memory, one command that starts the agent."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.remote import (
    HostKeyMismatchError,
    RemoteFileMissingError,
    Result,
    SshAuthError,
    SshTarget,
    SshUnreachableError,
)
from deployments.training import commands
from deployments.training.job_file import run_folder
from tests.deployments.virtual.agent import Agent, checkpoint_files

if TYPE_CHECKING:
    from tests.deployments.virtual.cloud import VirtualCloud, VirtualMachine


class VirtualRemote:
    """One open connection to a machine."""

    def __init__(self, cloud: "VirtualCloud", machine: "VirtualMachine") -> None:
        self._cloud = cloud
        self._machine = machine
        self._folder = run_folder(machine.name)

    @property
    def host_key(self) -> str:
        return self._machine.host_key

    def run(self, command: str, *, timeout_seconds: float, stdin: bytes | None = None) -> Result:
        self._need_machine()
        if command == commands.start_agent(self._machine.name):
            return self._start_agent()
        return Result(0, "", "")

    def write(self, path: str, data: bytes, *, mode: int) -> None:
        self._need_machine()
        self._machine.files[path] = data
        agent = self._machine.agent
        if path == f"{self._folder}/control/stop" and agent and agent.stop_asked_at is None:
            agent.stop_asked_at = self._cloud.clock.now
        if path == f"{self._folder}/control/held" and agent:
            agent.held = data.decode().strip()

    def read(self, path: str, *, offset: int, limit: int) -> bytes:
        self._need_machine()
        return self._content(path)[offset : offset + limit]

    def upload(self, local: Path, remote: str, *, sha256: str, deadline: float) -> bool:
        self._need_machine()
        data = local.read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        self._machine.files[remote] = data
        return True

    def download(self, remote: str, local: Path, *, size: int, deadline: float) -> bool:
        self._need_machine()
        if self._cloud.next_fault("download") == "cut":
            return False
        have = local.stat().st_size if local.exists() else 0
        with local.open("ab") as file:
            file.write(self._content(remote)[have:size])
        return True

    def _need_machine(self) -> None:
        if not self._machine.is_up():
            raise SshUnreachableError("The connection was cut.")

    def _start_agent(self) -> Result:
        fault = self._cloud.next_fault("start")
        if fault == "unknown":
            return Result(None, "", "")
        if fault == "fails":
            return Result(1, "", "The agent ended twice without a word.\n")
        agent = self._machine.agent
        died_early = agent is not None and agent.died_at and agent.died_at < agent.ends_at
        if fault == "rebooted" or died_early:
            return Result(commands.REBOOTED, "", "The machine was rebooted.\n")
        if agent is None:
            plan = self._cloud.plans.popleft() if self._cloud.plans else self._cloud.plan
            now, step = self._cloud.clock.now, self._step_to_go_on_from()
            self._machine.agent = Agent(plan, now, from_step=step)
            self._cloud.agents_started.append(self._machine.name)
        return Result(0, "4711\n", "")

    def _step_to_go_on_from(self) -> int:
        """Return the step of the checkpoint that the job names, which must be there and whole."""
        job = json.loads(self._machine.files[f"{self._folder}/job.json"])
        if not job["resume_from"]:
            return 0
        step = int(job["resume_from"].removeprefix("checkpoint-"))
        for name, content in checkpoint_files(step).items():
            assert self._machine.files[f"{self._folder}/output/{name}"] == content, name
        return step

    def _content(self, path: str) -> bytes:
        now, agent = self._cloud.clock.now, self._machine.agent
        if agent is not None:
            if path == f"{self._folder}/run.jsonl":
                return agent.log(now)
            made = agent.files(now).get(path.removeprefix(f"{self._folder}/"))
            if made is not None:
                return made
        if path not in self._machine.files:
            raise RemoteFileMissingError(f"There is no {path} on the machine.")
        return self._machine.files[path]


@contextmanager
def connect(clouds: "Sequence[VirtualCloud]", target: SshTarget) -> Iterator[VirtualRemote]:
    """Open a connection to the machine at that address, or fail as the script says."""
    known = [(cloud, machine) for cloud in clouds for machine in cloud.machines]
    there = ((cloud, m) for cloud, m in known if m.ip == target.host)
    cloud, machine = next(there, (clouds[0], None))
    fault = cloud.next_fault("ssh")
    if fault == "unreachable" or machine is None or not machine.is_up():
        raise SshUnreachableError("The machine does not answer over SSH.")
    if fault == "auth":
        raise SshAuthError("The machine refuses our key.")
    if fault == "hostkey" or target.host_key not in ("", machine.host_key):
        raise HostKeyMismatchError("The machine shows another host key.")
    if fault == "killed":
        cloud.kill()
    cloud.note_session(machine, pinned=target.host_key)
    yield VirtualRemote(cloud, machine)
