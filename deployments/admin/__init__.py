"""The admin: everything can be looked at, and only limits edited; the rest is a handful of actions.

Importing the modules registers their pages; Django looks for this package by its name.
"""

from deployments.admin import deployments, limits, machines, records

__all__ = ["deployments", "limits", "machines", "records"]
