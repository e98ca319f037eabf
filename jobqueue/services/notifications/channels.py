"""The channels that notifications go through."""

from __future__ import annotations

from jobqueue.errors import InvalidInput
from jobqueue.model.notification import Channel, Message
from jobqueue.services.notifications import standard_webhooks
from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.webhook import WebhookSender, address_of

_FIELD = "channel"


class Channels:
    """Checks channels, and sends messages through them."""

    def __init__(self, secrets: ApiSecrets, webhook: WebhookSender) -> None:
        self._secrets = secrets
        self._webhook = webhook

    def check(self, channel: Channel) -> None:
        """Raise ``InvalidInput`` unless a message could be sent: its secrets exist and have the right form."""
        if not channel.secret:
            raise InvalidInput.of(f"{_FIELD}.secret", 'Missing; name the key that signs: {"$secret": "name"}.')
        try:
            standard_webhooks.key_of(self._secrets.get(channel.secret), channel.secret)
        except DeliveryFailed as error:
            raise InvalidInput.of(f"{_FIELD}.secret", error.message) from error
        try:
            address_of(self._url(channel))
        except DeliveryFailed as error:
            raise InvalidInput.of(f"{_FIELD}.url", error.message) from error

    def send(self, channel: Channel, message: Message) -> None:
        """Send a message. Raises ``DeliveryFailed``."""
        key = standard_webhooks.key_of(self._secrets.get(channel.secret), channel.secret)
        self._webhook.send(self._url(channel), key, message)

    def _url(self, channel: Channel) -> str:
        return self._secrets.get(channel.url_secret) if channel.url_secret else channel.url
