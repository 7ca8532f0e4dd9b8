"""What was measured, and how: `python -m studies` lists it."""
