"""The labs of 04_regularization."""
