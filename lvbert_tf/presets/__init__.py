"""Presets and weight files: what they may hold, and how to read them without trusting them."""
