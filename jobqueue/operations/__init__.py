"""The operations of agents, their registry, and the entry point that runs them.

``base`` has the decorator, ``registry`` the catalogue, ``runner.run_operation`` the entry point of an agent's executor,
``process`` runs child processes, ``facts`` collects host facts. Each family of built-in operations is one file.
"""
