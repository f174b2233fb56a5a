"""The admin: everything can be looked at, nothing edited; what can be done is a handful of actions.

Importing the modules registers their pages; Django looks for this package by its name.
"""

from deployments.admin import deployments, machines, records

__all__ = ["deployments", "machines", "records"]
