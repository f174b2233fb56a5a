"""The help pages: what each error code means, and how the rest works. Words only, no rows."""
