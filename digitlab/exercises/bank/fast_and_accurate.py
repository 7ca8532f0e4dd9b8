"""Exercises and quiz of notebook 13."""

EXERCISES = ()
QUIZ = ()
