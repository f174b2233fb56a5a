"""What a finished run gives to others: the adapter with its card, a bundle, a model on the Hub."""
