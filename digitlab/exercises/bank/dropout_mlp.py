"""Exercises and quiz of notebook 05."""

EXERCISES = ()
QUIZ = ()
