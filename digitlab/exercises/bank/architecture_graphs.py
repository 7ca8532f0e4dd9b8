"""Exercises and quiz of notebook 09."""

EXERCISES = ()
QUIZ = ()
