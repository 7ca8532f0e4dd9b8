"""Exercises and quiz of notebook 07."""

EXERCISES = ()
QUIZ = ()
