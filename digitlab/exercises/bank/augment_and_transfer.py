"""Exercises and quiz of notebook 12."""

EXERCISES = ()
QUIZ = ()
