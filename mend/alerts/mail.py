"""E-mail by SMTP: STARTTLS, one mail for each alert, incidents as threads."""

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mend.alerts.channel import Away, Message, Refused
from mend.alerts.mail_text import mail, message_id
from mend.runtime.logging import get_logger
from mend.runtime.redact import masked

TIMEOUT_SECONDS = 10.0
TLS_FROM_THE_START = 465


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over. Without `starttls` it goes as it is: for mail catchers on a developer's machine."""

    host: str
    port: int = 587
    user: str = ""
    password: str = ""
    starttls: bool = True
    timeout: float = TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None


class Email:
    """Sends to a list of people."""

    pace = 0.0

    def __init__(self, server: MailServer, sender: str, recipients: Sequence[str]) -> None:
        self.server = server
        self.sender = sender
        self.recipients = tuple(recipients)

    def send(self, message: Message) -> str | None:
        """Hand it over and return its Message-ID. A server that took it and then breaks off has taken it."""
        to = message.alert.recipients or self.recipients
        made = mail(message, self.sender, to)
        try:
            refused = self._hand_over(made.as_bytes(), to)
        except smtplib.SMTPRecipientsRefused as error:
            raise Refused(f"{self._name} takes mail for none of {len(to)} recipients: {first_answer(error)}") from None
        except smtplib.SMTPSenderRefused as error:
            raise Refused(f"{self._name} does not take mail from {self.sender}: {error.smtp_code}") from None
        except smtplib.SMTPDataError as error:
            kind = Refused if error.smtp_code >= 500 else Away  # noqa: PLR2004 - 5xx is for good
            raise kind(f"{self._name} does not take the mail: {error.smtp_code} {said(error.smtp_error)}") from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise Away(f"{self._name} cannot be used: {masked(f'{type(error).__name__}: {error}'[:200])}") from None
        if refused:
            get_logger().warning("mail_recipients_refused", recipients=len(refused), server=self._name)
        return message_id(message, self.sender)

    @property
    def _name(self) -> str:
        return f"the mail server {self.server.host}:{self.server.port}"

    def _hand_over(self, content: bytes, to: Sequence[str]) -> Mapping[str, object]:
        smtp = self._connected()
        try:
            refused = smtp.sendmail(self.sender, list(to), content)
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            return refused
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        server = self.server
        tls = server.tls or ssl.create_default_context()
        if server.port == TLS_FROM_THE_START:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        try:
            if server.starttls and server.port != TLS_FROM_THE_START:
                smtp.starttls(context=tls)  # raises where the server has none: no password and no alert goes in clear
            if server.user:
                smtp.login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp


def first_answer(error: smtplib.SMTPRecipientsRefused) -> str:
    """Return what the server said about the first recipient, without the address."""
    code, text = next(iter(error.recipients.values()), (0, b""))
    return f"{code} {said(text)}"


def said(text: bytes | str) -> str:
    """Return a server's answer as text."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return masked(" ".join(whole.split())[:200])
