"""Settings, URLs and process entry points."""
