"""Exercises and questions of notebook 03b."""

EXERCISES = ()
QUIZ = ()
