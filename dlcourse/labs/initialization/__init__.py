"""The labs of 01_initialization."""
