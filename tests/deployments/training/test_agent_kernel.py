"""What the kernel tells of a program's end, read from its log and its counters (F46)."""

from pathlib import Path

import pytest

import agent_kernel
from agent_kernel import Kernel, KernelNews

BEFORE = """\
[    0.000000] Linux version 6.8.0-60-generic (buildd@lcy02) #63-Ubuntu SMP
[   12.345678] NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.148.08
[  100.000001] NVRM: Xid (PCI:0000:07:00): 79, pid=99, name=old, GPU has fallen off the bus.
"""
AFTER = """\
[ 7063.247401] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice,task=python3,pid=4242,uid=1000
[ 7063.247407] Out of memory: Killed process 4242 (python3) total-vm:53312244kB, anon-rss:31451456kB, file-rss:74816kB, shmem-rss:12296kB, UID:1000 pgtables:69068kB oom_score_adj:500
[ 7063.247409] eth0: link becomes ready
"""  # noqa: E501 (lines of a log)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a kernel of its own: log, counters and cgroups."""
    for name in ("proc/self", "cgroup/user.slice/session-3.scope"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/user.slice/session-3.scope\n")
    (tmp_path / "proc/vmstat").write_text("pgfault 12\noom_kill 3\n")
    (tmp_path / "log").write_text(BEFORE)
    dmesg = tmp_path / "dmesg"
    dmesg.write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    dmesg.chmod(0o700)
    monkeypatch.setattr(agent_kernel, "PROC", tmp_path / "proc")
    monkeypatch.setattr(agent_kernel, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(agent_kernel, "COMMANDS", ((str(tmp_path / "missing"),), (str(dmesg),)))
    return tmp_path


def test_only_what_came_since_is_news_and_only_what_tells_something(machine: Path) -> None:
    kernel = Kernel()
    (machine / "log").write_text(BEFORE + AFTER)

    news = kernel.news()

    assert len(news.lines) == 2
    assert "Killed process 4242 (python3)" in news.memory_line
    assert news.hardware_fault == "", "that of an earlier run is not ours"


def test_a_killing_shows_in_the_machines_counter(machine: Path) -> None:
    kernel = Kernel()
    before = kernel.news()
    (machine / "proc/vmstat").write_text("pgfault 12\noom_kill 4\n")

    assert not before.killed_for_memory
    assert kernel.news().killed_for_memory


def test_a_cgroup_that_counts_memory_decides_alone(machine: Path) -> None:
    """In a container the machine's counter is that of all its neighbours."""
    events = machine / "cgroup/user.slice/memory.events"
    events.write_text("low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n")
    kernel = Kernel()
    (machine / "proc/vmstat").write_text("oom_kill 9\n")
    before = kernel.news()
    events.write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n")

    assert not before.killed_for_memory
    assert kernel.news().killed_for_memory


def test_a_kernel_that_tells_nothing_is_no_fault(machine: Path) -> None:
    (machine / "dmesg").write_text("#!/bin/sh\necho 'Operation not permitted' >&2; exit 1\n")
    (machine / "proc/vmstat").unlink()

    assert Kernel().news() == KernelNews()


@pytest.mark.parametrize(
    ("line", "is_fault"),
    [
        ("NVRM: Xid (PCI:0000:07:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen", True),
        ("NVRM: Xid (PCI:0000:07:00): 48, pid=1, name=python3, DBE (double bit error)", True),
        ("NVRM: Xid (PCI:0000:07:00): 74, pid=1, name=python3, NVLink: fatal error", True),
        ("NVRM: Xid (PCI:0000:07:00): 119, pid=1, name=python3, Timeout waiting for RPC", True),
        ("NVRM: fallen off the bus and is not responding to commands.", True),
        ("NVRM: Xid (PCI:0000:07:00): 13, pid=1, name=python3, Graphics SM Warp Exception", False),
        ("NVRM: Xid (PCI:0000:07:00): 31, pid=1, name=python3, MMU Fault", False),
        ("NVRM: Xid (PCI:0000:07:00): 43, pid=1, name=python3, Ch 00000010", False),
        ("NVRM: Xid (PCI:0000:07:00): 63, pid=1, Row Remapper: New row marked", False),
        ("EXT4-fs error (device vda1): ext4_find_entry: inode #2", False),
    ],
)
def test_a_fault_of_the_gpu_is_told_from_one_that_a_program_makes(
    line: str, is_fault: bool
) -> None:
    assert (KernelNews(lines=(line,)).hardware_fault == line) is is_fault
