"""What only a real browser shows: scripts, the content policy, focus, and the width of a phone."""
