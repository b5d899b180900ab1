"""The directory of a run: what it holds, who may write there, and starting from it."""
