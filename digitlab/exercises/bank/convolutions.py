"""Exercises and quiz of notebook 06."""

EXERCISES = ()
QUIZ = ()
