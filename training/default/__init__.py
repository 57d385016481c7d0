"""How the default agent is made from nothing: a chain of stages, each a run folder (manage train_default)."""
