"""Exercises and quiz of notebook 02."""

EXERCISES = ()
QUIZ = ()
