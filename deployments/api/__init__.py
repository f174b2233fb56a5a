"""The REST interface of configs, deployments, jobs, artifacts and offers (API.md)."""
