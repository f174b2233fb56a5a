"""System checks of the vault."""
