"""The whole learning loop played once, by scripted people and real parts: what `manage demo_loop` runs."""
