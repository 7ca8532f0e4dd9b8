"""Exercises and quiz of notebook 11."""

EXERCISES = ()
QUIZ = ()
