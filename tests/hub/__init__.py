"""A Hub on loopback that answers as far as huggingface_hub asks: real HTTP."""
