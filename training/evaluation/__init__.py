"""DiagBench: protocols, metrics, statistics and baselines; no Django, so that a notebook can use it too."""
