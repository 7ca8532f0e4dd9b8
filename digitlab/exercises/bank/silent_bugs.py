"""Exercises and quiz of notebook 14."""

EXERCISES = ()
QUIZ = ()
