"""The report of a search: a page with plots, the same as CSV and JSON, and how to train the winner."""
