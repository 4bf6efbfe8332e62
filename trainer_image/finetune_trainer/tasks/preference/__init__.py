"""Learning from judged answers: rows, losses, TRL's trainers."""
