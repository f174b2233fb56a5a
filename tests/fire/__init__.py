"""Real processes under fire: what is killed, what is shared, what the cloud does wrong.

Each module that has a ``main`` is a command of its own; test_commands.py runs small versions.
"""
