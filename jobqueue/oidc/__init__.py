"""The client's side of OpenID Connect: discovery, the token endpoint, and signing in from a terminal (RFC 8628)."""
