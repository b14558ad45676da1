"""Talking with what was trained."""
