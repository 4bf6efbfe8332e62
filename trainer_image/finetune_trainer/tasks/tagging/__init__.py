"""Entities in texts: tags, words and their sub-words, figures."""
