"""Seeded lives of the real lifecycle over a virtual cloud and a virtual clock."""

# How ``python -m tests.chaos`` tells its pytest which lives to live, and where to write of them.
SEEDS, RESULTS = "SLIPWAY_CHAOS_SEEDS", "SLIPWAY_CHAOS_RESULTS"
