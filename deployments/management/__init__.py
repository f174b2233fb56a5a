"""Commands of the deployments app."""
