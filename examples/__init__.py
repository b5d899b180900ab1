"""Examples, which the demo uses too."""
