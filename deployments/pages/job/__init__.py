"""The page of one run: its frame, its tabs, and what is asked of a run."""
