"""What a GPU can do, by the name a cloud gives it (pure)."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """One kind of GPU.

    ``peak_tflops``: 10^12 operations a second in bf16 (fp16 where there is no bf16), dense, on
    tensor cores. ``is_verified``: read in the named source, not written from memory.
    """

    name: str
    peak_tflops: float
    has_bf16: bool
    source: str
    is_verified: bool = True


# The first whose pattern is found in the cloud's words wins. NVIDIA's data sheets often give the
# figure with sparsity, which is twice the dense one.
_SHEETS = "NVIDIA data sheets as quoted in Lightning-AI/pytorch-lightning, fabric throughput.py"
_SPECS = "NVIDIA data sheets as quoted in winston-zhang-orz/gpu-specs, specs.md"
_LISTED = "NVIDIA data sheets as quoted in astroC86/gpu-datasheet, README.md"
_MEMORY = "from memory of NVIDIA's data sheet"
_CARDS: tuple[tuple[str, Card], ...] = (
    # 36 PFLOPS for eight of them, with sparsity.
    (r"B200", Card("B200", 2250, True, _LISTED)),
    (r"GH200", Card("GH200", 989.5, True, "as H100 SXM: the same GPU", is_verified=False)),
    (r"H200", Card("H200", 989.5, True, _LISTED)),
    (r"H100.*PCIe", Card("H100 PCIe", 756.5, True, _SHEETS)),
    (r"H100.*NVL", Card("H100 NVL", 835, True, _MEMORY, is_verified=False)),
    (r"H100", Card("H100 SXM", 989.5, True, _SHEETS)),
    (r"A100", Card("A100", 312, True, _SHEETS)),
    (r"A6000", Card("A6000", 154.8, True, "Microway's comparison of Ampere GPUs, quoted")),
    (r"A40\b", Card("A40", 149.7, True, _LISTED)),
    (r"A10\b|A10G", Card("A10", 125, True, _SHEETS)),
    (r"L40S", Card("L40S", 362, True, _SPECS)),
    (r"L40\b", Card("L40", 181, True, _MEMORY, is_verified=False)),
    (r"L4\b", Card("L4", 121, True, _SPECS)),
    (r"RTX 6000 Ada", Card("RTX 6000 Ada", 364, True, _MEMORY, is_verified=False)),
    (r"RTX ?6000", Card("RTX 6000", 130.5, False, _MEMORY, is_verified=False)),
    # With sums in 32 bit, as training makes them: half of what the sheets of these cards show.
    (r"RTX 5090", Card("RTX 5090", 209.5, True, _MEMORY, is_verified=False)),
    (r"RTX 4090", Card("RTX 4090", 165.2, True, _MEMORY, is_verified=False)),
    (r"RTX 3090(?! Ti)", Card("RTX 3090", 71, True, _MEMORY, is_verified=False)),
    (r"A5000", Card("RTX A5000", 111, True, _MEMORY, is_verified=False)),
    (r"A4000", Card("RTX A4000", 76.7, True, _MEMORY, is_verified=False)),
    (r"A30\b", Card("A30", 165, True, _MEMORY, is_verified=False)),
    (r"V100", Card("V100", 125, False, _SHEETS)),
    (r"T4\b", Card("T4", 65, False, _SHEETS)),
)


def peak_tflops_of(instance_type: str) -> float | None:
    """Return the peak of the cards in a machine of this type, by what clouds name types after."""
    card = card_of(instance_type.replace("_", " "))
    return card.peak_tflops if card else None


def card_of(gpu_name: str, description: str = "") -> Card | None:
    """Return the card that a cloud's words name, None for one we have no figures of."""
    words = f"{gpu_name} {description}"
    for pattern, card in _CARDS:
        if re.search(pattern, words, re.IGNORECASE):
            return card
    return None
