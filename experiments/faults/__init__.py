"""The fault campaign: what is done to the programs, and what becomes of their files."""
