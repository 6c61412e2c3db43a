"""The labs of 05_decay."""
