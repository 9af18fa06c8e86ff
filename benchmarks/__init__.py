"""How fast the program is on the machine it has: see README.md."""
