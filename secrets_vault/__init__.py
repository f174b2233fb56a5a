"""The vault: sealed provider keys that only their owner can use."""
