"""The pages: whole HTML that works without scripts; htmx then refreshes one block at a time."""
