"""What a real GPU is asked, and what it takes to ask: ``make gpu-check``."""
