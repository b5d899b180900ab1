"""Science: each table and plot of docs/search.md and docs/finetuning.md is made by a program here."""
