"""Exercises and quiz of notebook 10."""

EXERCISES = ()
QUIZ = ()
