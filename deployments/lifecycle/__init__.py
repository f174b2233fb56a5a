"""The state machine: rows and the newest list in, one small step out (ARCHITECTURE section 1)."""
