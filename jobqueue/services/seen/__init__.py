"""What a principal with a permission on some hosts only sees: its hosts, and its part of jobs."""
