"""What both experiments share: claims on directories, jobs, estimates, tables, plots."""
