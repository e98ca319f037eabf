"""What jobqueue is measured against, and variants of its own parts."""
