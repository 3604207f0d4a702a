"""What is fast, as numbers that anyone can re-run: `make bench`."""
