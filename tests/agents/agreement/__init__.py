"""Agreement beyond chance, its intervals, and prediction-powered inference."""
