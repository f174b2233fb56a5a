"""What the vault does for its users and for the rest of Slipway."""
