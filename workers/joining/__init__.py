"""How a host joins: `jobqueue agent join`."""
