"""What agents can do: the operations, the registry that finds them, and the one way to run them.

``base`` has the decorator, ``registry`` the catalogue, ``runner.run_operation`` the entry point of an agent's executor,
``process`` runs child processes, ``facts`` knows the host. Each family of built-in operations is one file.
"""
