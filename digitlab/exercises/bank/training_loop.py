"""Exercises and quiz of notebook 03."""

EXERCISES = ()
QUIZ = ()
