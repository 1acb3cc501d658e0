"""What decides: which frames, in which order, what is kept."""
