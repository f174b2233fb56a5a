"""Every code, provoked as it comes about, on the page that shows it."""
