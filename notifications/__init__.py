"""Telling people and their programs: an outbox, webhooks and mail."""
