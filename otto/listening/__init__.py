"""Listening all day: what is heard becomes turns, replies are spoken, and questions are asked and answered by voice."""
