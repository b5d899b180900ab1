"""The command-line programs: their flags, and one call into the package each."""
