"""Presets and weight files: what they may hold, and how they are read without trusting them."""
