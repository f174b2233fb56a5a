"""What an exit means: status, last words, kernel's log, in the forms they really have (F46)."""

import signal

import pytest

from agent_crash import explain_exit
from agent_kernel import KernelNews
from tests.deployments.training.runs import make_job

JOB = make_job()
MACHINE = {"memory_used_bytes": 61 * 1024**3, "memory_total_bytes": 62 * 1024**3}
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
    "capacity of 21.98 GiB of which 1.13 GiB is free. Including non-PyTorch memory, this process "
    "has 20.84 GiB memory in use. Of the allocated memory 20.21 GiB is allocated by PyTorch, and "
    "243.22 MiB is reserved by PyTorch but unallocated."
)
LAST_WORDS = [
    (OOM, "E_OOM", False),
    ("torch.AcceleratorError: CUDA error: out of memory", "E_OOM", False),
    (
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "E_OOM",
        False,
    ),
    (
        "RuntimeError: [enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 68719476736 bytes. Error code 12 (Cannot allocate "
        "memory)",
        "E_HOST_OOM",
        False,
    ),
    ("MemoryError", "E_HOST_OOM", False),
    (
        "RuntimeError: DataLoader worker (pid(s) 4243) exited unexpectedly: DataLoader worker (pid "
        "4243) is killed by signal: Killed. ",
        "E_HOST_OOM",
        False,
    ),
    ("OSError: [Errno 28] No space left on device", "E_DISK", False),
    (
        "safetensors_rust.SafetensorError: Error while serializing: I/O error: No space left on "
        "device (os error 28)",
        "E_DISK",
        False,
    ),
    (
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
        "E_CUDA_KERNEL",
        False,
    ),
    ("RuntimeError: CUDA error: device-side assert triggered", "E_CUDA_KERNEL", False),
    (
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "E_CUDA_KERNEL",
        False,
    ),
    (
        "torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered",
        "E_CUDA",
        True,
    ),
    ("RuntimeError: CUDA error: unspecified launch failure", "E_CUDA", True),
    (
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions "
        "before calling NumCudaDevices() that might have already set an error? Error 802: system "
        "not yet initialized",
        "E_CUDA",
        True,
    ),
    ("RuntimeError: No CUDA GPUs are available", "E_CUDA", True),
    (
        "torch.distributed.DistBackendError: NCCL error in: "
        "/pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:3690, unhandled system error "
        "(run with NCCL_DEBUG=INFO for details), NCCL version 2.29.7",
        "E_NCCL",
        True,
    ),
    (
        "[rank0]:[E321 02:07:08.408271257 ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught "
        "collective operation timeout: WorkNCCL(SeqNum=1580, OpType=ALLREDUCE, "
        "NumelIn=466119168, NumelOut=466119168, Timeout(ms)=600000) ran for 600060 milliseconds "
        "before timing out.",
        "E_NCCL",
        True,
    ),
    (
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. Cannot access gated repo for "
        "url /owner/model/resolve/main/config.json.",
        "E_HF_ACCESS",
        False,
    ),
    ("ValueError: too many values to unpack (expected 2)", "E_TRAINING", False),
]


@pytest.mark.parametrize(
    ("text", "code", "retryable"), LAST_WORDS, ids=[text[:40] for text, *_ in LAST_WORDS]
)
def test_the_last_words_of_an_ordinary_exit_decide(text: str, code: str, retryable: bool) -> None:
    tail = ["Traceback (most recent call last):", '  File "train.py", line 270, in run', text]

    found = explain_exit(1, tail=tail, job=JOB, machine=MACHINE)

    assert (found.code, found.retryable) == (code, retryable)
    assert text[:60] in found.message


def test_F45_out_of_gpu_memory_names_the_jobs_own_numbers_and_what_to_make_of_them() -> None:
    found = explain_exit(22, tail=[OOM], job=JOB, machine=MACHINE)

    assert "batches of 8 rows of up to 256 tokens" in found.message
    assert "per_device_train_batch_size from 8 to 4" in found.remedy
    assert "gradient_accumulation_steps from 1 to 2" in found.remedy
    assert "max_length from 256 to 128" in found.remedy


def test_F45_a_batch_of_one_row_is_not_asked_to_be_smaller() -> None:
    settings = {**JOB["recipe"]["hyperparameters"], "per_device_train_batch_size": 1}
    job = {**JOB, "recipe": {**JOB["recipe"], "hyperparameters": settings}}

    found = explain_exit(22, tail=[OOM], job=job, machine=MACHINE)

    assert "batch_size" not in found.remedy
    assert found.remedy.startswith("Lower max_length from 256 to 128")


KILLED = (
    "Out of memory: Killed process 4242 (python3) total-vm:91734016kB, anon-rss:63011840kB, "
    "file-rss:4096kB, shmem-rss:0kB, UID:1000 pgtables:131072kB oom_score_adj:500"
)


def test_F46_a_process_killed_for_memory_says_so_in_the_kernels_words() -> None:
    kernel = KernelNews(killed_for_memory=True, lines=(KILLED,))

    found = explain_exit(-signal.SIGKILL, tail=[], job=JOB, machine=MACHINE, kernel=kernel)

    assert (found.code, found.retryable) == ("E_HOST_OOM", False)
    assert "61.0 of 62.0 GiB" in found.message
    assert "Killed process 4242 (python3)" in found.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_F46_a_process_killed_for_another_reason_is_not_called_out_of_memory(number: int) -> None:
    found = explain_exit(-number, tail=["step 12"], job=JOB, machine=MACHINE)

    assert (found.code, found.retryable) == ("E_KILLED", False)
    assert signal.Signals(number).name in found.message


def test_F46_a_helper_of_the_training_killed_for_memory_is_out_of_memory_too() -> None:
    kernel = KernelNews(killed_for_memory=True, lines=(KILLED,))

    found = explain_exit(1, tail=["worker gone"], job=JOB, machine=MACHINE, kernel=kernel)

    assert found.code == "E_HOST_OOM"


SEGFAULT = ["Fatal Python error: Segmentation fault", '  File "train.py", line 9 in forward']


def test_F46_a_crash_below_python_is_the_programs_until_the_kernel_says_otherwise() -> None:
    found = explain_exit(-signal.SIGSEGV, tail=SEGFAULT, job=JOB, machine=MACHINE)

    assert (found.code, found.retryable) == ("E_CRASH", False)
    assert "SIGSEGV" in found.message
    assert "line 9 in forward" in found.message


def test_F46_an_abort_over_an_exception_is_what_the_exception_says() -> None:
    tail = [
        "terminate called after throwing an instance of 'c10::DistBackendError'",
        "  what():  [PG ID 0 PG GUID 0(default_pg) Rank 0] Process group watchdog thread",
    ]

    assert explain_exit(-signal.SIGABRT, tail=tail, job=JOB, machine=MACHINE).code == "E_NCCL"


XID_79 = "NVRM: Xid (PCI:0000:07:00): 79, pid=4242, name=python3, GPU has fallen off the bus."
XID_31 = (
    "NVRM: Xid (PCI:0000:07:00): 31, pid=4242, name=python3, Ch 00000008, intr 00000000. MMU Fault"
)


@pytest.mark.parametrize(
    ("status", "tail"),
    [
        (-signal.SIGSEGV, SEGFAULT),
        (1, ["RuntimeError: CUDA error: an illegal memory access was encountered"]),
        (1, ["RuntimeError: CUDA error: unspecified launch failure"]),
        (1, ["ValueError: odd"]),
    ],
    ids=["crash", "illegal access", "launch failure", "anything"],
)
def test_F46_a_gpu_that_failed_by_the_kernels_log_is_the_reason(
    status: int, tail: list[str]
) -> None:
    found = explain_exit(
        status, tail=tail, job=JOB, machine=MACHINE, kernel=KernelNews(lines=(XID_31, XID_79))
    )

    assert (found.code, found.retryable) == ("E_XID", True)
    assert "79, pid=4242" in found.message


@pytest.mark.parametrize(
    ("text", "code"),
    [(OOM, "E_OOM"), ("OSError: [Errno 28] No space left on device", "E_DISK")],
    ids=["memory", "disk"],
)
def test_F46_what_a_broken_gpu_cannot_look_like_stays_what_it_is(text: str, code: str) -> None:
    kernel = KernelNews(lines=(XID_79,))

    assert explain_exit(1, tail=[text], job=JOB, machine=MACHINE, kernel=kernel).code == code


def test_F46_an_xid_that_a_program_causes_itself_is_no_hardware() -> None:
    tail = ["torch.AcceleratorError: CUDA error: an illegal memory access was encountered"]

    found = explain_exit(1, tail=tail, job=JOB, machine=MACHINE, kernel=KernelNews(lines=(XID_31,)))

    assert (found.code, found.retryable) == ("E_CUDA_KERNEL", False)
