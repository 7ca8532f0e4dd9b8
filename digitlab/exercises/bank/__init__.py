"""One module for each notebook: its exercises and its quiz, written as in a notebook, untyped."""
