"""From a recipe to a run on a machine: job file, commands, and the payload that runs there."""
