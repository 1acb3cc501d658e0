"""Films cleaned without a script: chunk by chunk, resumable, on as many machines as there are, into a finished file."""
