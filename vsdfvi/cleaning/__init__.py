"""Whole films, from file to file."""
