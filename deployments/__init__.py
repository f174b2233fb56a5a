"""The main app: what is trained, where, and at what cost."""
