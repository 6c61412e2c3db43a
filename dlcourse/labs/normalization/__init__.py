"""The labs of 03_batch_normalization."""
