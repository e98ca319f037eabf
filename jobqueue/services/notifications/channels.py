"""The channels that notifications go through."""

from __future__ import annotations

from jobqueue.errors import InvalidInput
from jobqueue.model.notification import APPRISE, Channel, Message
from jobqueue.services.notifications import standard_webhooks
from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.apprise_sender import AppriseSender
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.webhook import WebhookSender

_FIELD = "channel"


class Channels:
    """Checks channels, and sends messages through them."""

    def __init__(self, secrets: ApiSecrets, webhook: WebhookSender, apprise: AppriseSender | None = None) -> None:
        self._secrets = secrets
        self._webhook = webhook
        self._apprise = apprise or AppriseSender()

    def check(self, channel: Channel) -> None:
        """Raise ``InvalidInput`` unless a message could be sent: its secrets exist and have the right form."""
        if channel.type == APPRISE:
            self._check_apprise(channel)
            return
        if not channel.secret:
            raise InvalidInput.of(f"{_FIELD}.secret", 'Missing; name the key that signs: {"$secret": "name"}.')
        try:
            standard_webhooks.key_of(self._secrets.get(channel.secret), channel.secret)
        except DeliveryFailed as error:
            raise InvalidInput.of(f"{_FIELD}.secret", error.message) from error
        try:
            self._webhook.check(self._url(channel))
        except DeliveryFailed as error:
            raise InvalidInput.of(f"{_FIELD}.url", error.message) from error

    def send(self, channel: Channel, message: Message) -> None:
        """Send a message. Raises ``DeliveryFailed``."""
        if channel.type == APPRISE:
            self._apprise.send(self._url(channel), channel.url_secret, message)
            return
        key = standard_webhooks.key_of(self._secrets.get(channel.secret), channel.secret)
        self._webhook.send(self._url(channel), key, message)

    def _check_apprise(self, channel: Channel) -> None:
        if not channel.url_secret:
            sentence = 'Must be {"$secret": "name"}: the URL of a service holds its password.'
            raise InvalidInput.of(f"{_FIELD}.url", sentence)
        if channel.secret:
            raise InvalidInput.of(f"{_FIELD}.secret", "Only webhooks are signed; leave it out.")
        try:
            self._apprise.check(self._url(channel), channel.url_secret)
        except DeliveryFailed as error:
            raise InvalidInput.of(f"{_FIELD}.url", error.message) from error

    def _url(self, channel: Channel) -> str:
        return self._secrets.get(channel.url_secret) if channel.url_secret else channel.url
