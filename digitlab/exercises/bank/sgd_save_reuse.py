"""Exercises and quiz of notebook 08."""

EXERCISES = ()
QUIZ = ()
