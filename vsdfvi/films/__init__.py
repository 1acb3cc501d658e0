"""Films as VapourSynth opens them, and what an engine needs of them."""
