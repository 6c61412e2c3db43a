"""The labs of 02_momentum."""
