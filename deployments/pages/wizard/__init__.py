"""The wizard: six steps over a saved draft, each with its own address."""
