"""Training data: upload, validation, normalised rows, signed download."""
