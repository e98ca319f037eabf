"""Notifications: rules, their channels, and the delivery of messages about events."""
