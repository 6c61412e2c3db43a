"""Hostile submissions, as data: what code in a cell tries (code.toml) and what files try (files.py)."""
