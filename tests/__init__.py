"""The specification: what Slipway must do, mirrored room by room."""
