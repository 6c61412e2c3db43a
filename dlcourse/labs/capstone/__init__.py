"""The labs of 06_capstone."""
