"""Tests of what a finished run gives to others."""
