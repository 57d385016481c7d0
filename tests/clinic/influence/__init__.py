"""Influence of one annotator: the cap, outliers, and each left out."""
