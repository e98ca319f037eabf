"""Speed and size, measured against Celery and Flower: ``python -m benchmarks``. See README.md."""
