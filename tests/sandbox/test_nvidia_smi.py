"""The stub answers as the real program does to what clients ask."""

import pytest

from sandbox.nvidia_smi import QUERIES, answer, gpu_facts

GPUS = gpu_facts(uuids=["GPU-1", "GPU-2"], name="NVIDIA A10", memory_mib=23028, compute_cap="8.6")


def test_fields_come_in_the_order_asked_one_line_per_gpu() -> None:
    status, text = answer(GPUS, ["--query-gpu=uuid,index,name", "--format=csv,noheader"])

    assert status == 0
    assert text == "GPU-1, 0, NVIDIA A10\nGPU-2, 1, NVIDIA A10\n"


def test_units_are_shown_unless_nounits_is_asked() -> None:
    query = "--query-gpu=memory.total,utilization.gpu,power.draw,temperature.gpu,compute_cap"

    _, with_units = answer(GPUS[:1], [query, "--format=csv,noheader"])
    _, without = answer(GPUS[:1], ["--format=csv,noheader,nounits", query])

    assert with_units == "23028 MiB, 0 %, 25.00 W, 30, 8.6\n"
    assert without == "23028, 0, 25.00, 30, 8.6\n"


def test_a_header_names_the_fields_with_their_units() -> None:
    _, text = answer(GPUS[:1], ["--query-gpu=name, memory.used", "--format=csv"])

    assert text == "name, memory.used [MiB]\nNVIDIA A10, 1 MiB\n"


@pytest.mark.parametrize("query", sorted(QUERIES))
def test_every_known_field_has_a_value(query: str) -> None:
    status, text = answer(GPUS, [f"--query-gpu={query}", "--format=csv,noheader,nounits"])

    assert status == 0
    assert all(text.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--query-gpu=colour", "--format=csv"],
        ["--query-gpu=name"],
        ["--reset"],
    ],
)
def test_what_is_not_known_is_refused_with_status_2(arguments: list[str]) -> None:
    status, text = answer(GPUS, arguments)

    assert status == 2
    assert text


def test_a_plain_call_prints_a_table_and_the_list_names_each_gpu() -> None:
    _, table = answer(GPUS, [])
    _, listed = answer(GPUS, ["-L"])

    assert "NVIDIA-SMI 570.148.08" in table
    assert table.count("NVIDIA A10") == 2
    assert listed.splitlines()[1] == "GPU 1: NVIDIA A10 (UUID: GPU-2)"
