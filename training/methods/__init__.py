"""The slots of a training recipe: pure functions over Episodes and numpy arrays, registered by name."""
