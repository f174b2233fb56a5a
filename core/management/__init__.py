"""Commands of every installation."""
