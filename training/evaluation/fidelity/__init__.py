"""How faithful a world model is to the world it stands for (system.md 1.5, W5, W6); no Django."""
