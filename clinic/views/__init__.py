"""Pages: one module per family, one view per page."""
