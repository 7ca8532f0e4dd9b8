"""Exercises and quiz of notebook 04."""

EXERCISES = ()
QUIZ = ()
