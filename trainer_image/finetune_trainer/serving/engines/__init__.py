"""Models in memory that answer: labels, entities, scores, text."""
