"""The diagnostic agent, its virtual clinic and its judge: plain Python, no Django, no torch at import."""
