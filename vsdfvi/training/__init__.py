"""Motion and damage made from a seed, and the loops that learn from them; the engine never imports this."""
