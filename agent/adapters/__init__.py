"""The outside world behind the agent's ports."""
