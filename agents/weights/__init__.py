"""Shipped adapters, each in a folder with its manifest, and the plain-numpy code that merges one into base weights."""
