"""Exercises and questions of notebook 10b."""

EXERCISES = ()
QUIZ = ()
