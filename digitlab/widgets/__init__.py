"""What one touches: each widget is live where a kernel runs, and a figure elsewhere."""
