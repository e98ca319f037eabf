"""Sends notifications to services that Apprise knows: mail, Slack, Teams, PagerDuty, ntfy and many more.

https://github.com/caronc/apprise (BSD-2-Clause), an extra. It is imported when the first message is sent: an API
without such rules starts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobqueue.extras import lack
from jobqueue.model.notification import Message
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.messages import plain_text
from jobqueue.services.notifications.url_mask import installed_mask

if TYPE_CHECKING:
    from apprise import Apprise

#: Seconds for one attempt.
TOTAL_SECONDS = 15.0


class AppriseSender:
    """Sends messages to the service that an Apprise URL names. The URL is a secret: it holds the service's password."""

    def __init__(self, total_seconds: float = TOTAL_SECONDS) -> None:
        self._total_seconds = total_seconds
        self._mask = installed_mask()

    def check(self, url: str, secret: str) -> None:
        """Raise ``DeliveryFailed`` unless ``url``, the value of the secret with this name, names one service."""
        self._service(url, secret)

    def send(self, url: str, secret: str, message: Message) -> None:
        """Send a message. Raises ``DeliveryFailed``, whose text names the secret and never shows the URL."""
        from apprise import NotifyFormat

        title, body = plain_text(message)
        result = self._service(url, secret).notify(
            body, title, body_format=NotifyFormat.TEXT, timeout=self._total_seconds, interpret_escapes=False
        )
        if not result:
            kind = url.partition(":")[0]
            raise DeliveryFailed(
                f"The {kind} service of the secret {secret!r} did not accept the message "
                f"({result.status.name.lower()}). The API's log has the messages of Apprise."
            )

    def _service(self, url: str, secret: str) -> Apprise:
        missing = lack("A channel of type apprise", "notifications")
        if missing:
            raise DeliveryFailed(missing)
        from apprise import Apprise, AppriseAsset

        self._mask.hide(secret, url)
        service = Apprise(asset=AppriseAsset(app_id="jobqueue", app_desc="jobqueue", app_url="", plugin_paths=[]))
        if not service.add(url) or len(service) != 1:
            raise DeliveryFailed(
                f"The secret {secret!r} of the API must be the Apprise URL of one service, such as mailtos://... or slack://..."
            )
        return service
