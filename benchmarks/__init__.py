"""Speed: each number of docs/performance.md is printed by a program here."""
