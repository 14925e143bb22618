"""The study as raters meet it: two heads, a question, an answer; and what whoever runs it needs."""
