"""What every app needs and no app owns: errors, the error body, tokens, time."""
