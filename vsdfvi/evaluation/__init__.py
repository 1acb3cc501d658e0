"""Corrupt, repair, measure: how near the filter comes to a truth that is known."""
