"""What makes the course: `python -m tools` lists it."""
