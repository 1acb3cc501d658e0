"""Sample formats and masks."""
