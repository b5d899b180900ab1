"""What the programs share that gather evidence: claims on directories, estimates, tables, plots."""
