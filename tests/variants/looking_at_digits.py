"""Other right answers to the exercises of notebook 02, and changes that change nothing."""

VARIANTS = {}
EQUAL = {}
