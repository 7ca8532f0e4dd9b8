"""Other right answers to the exercises of notebook 03, and changes that change nothing."""

VARIANTS = {}
EQUAL = {}
