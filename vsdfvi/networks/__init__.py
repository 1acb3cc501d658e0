"""The networks, one published architecture a file, and the files that hold their weights."""
