"""Exercises and quiz of notebook 00."""

EXERCISES = ()
QUIZ = ()
