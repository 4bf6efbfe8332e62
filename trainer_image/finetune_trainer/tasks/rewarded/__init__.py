"""Learning from rewards for a model's own completions: rewards, rollouts, policies."""
