"""The agent's own checks before each run: write access to Redis alone must not be enough to run anything."""
