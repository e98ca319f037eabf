"""The documentation: pages in Markdown, and what makes parts of them from the code."""
