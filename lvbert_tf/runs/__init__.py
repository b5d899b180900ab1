"""Model directories: what they hold, opening any stored model, and starting from its weights."""
