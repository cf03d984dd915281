"""Receivers that write down what they take before they answer, and misbehave when they are told to."""

import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from records import Records

#: How long a sink that never answers keeps a connection open; longer than any timeout of the server.
SILENCE = 120.0
MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """What a sink does with one message."""

    #: `accept`, `refuse`, `drop` (taken, then the connection is reset), `silent` (taken, never answered),
    #: `drop_unread` (the connection is reset before anything was taken)
    kind: str = "accept"
    code: int = 0
    text: str = ""
    delay: float = 0.0
    retry_after: int | None = None

    @property
    def takes(self):
        return self.kind in ("accept", "drop", "silent")


ACCEPT = Reply()


@dataclass(frozen=True)
class Received:
    """One message as it came."""

    id: str
    recipients: tuple
    bytes: bytes
    #: how many times this sink took a message of this id before
    earlier: int


class Sink:
    """What both sinks share: a listener, a record of everything, and a script."""

    name = ""

    def __init__(self, records_path):
        self.records = Records(records_path)
        #: decides about each message: Received -> Reply
        self.script = lambda received: ACCEPT
        #: while set, connections are taken and nothing is ever said
        self.black_hole = threading.Event()
        self.taken = 0
        self._copies = {}
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._closing = False
        threading.Thread(target=self._accept, name=f"{self.name}-sink", daemon=True).start()

    def close(self):
        """Stops listening and cuts every connection."""
        self._closing = True
        self._listener.close()
        self.cut()
        self.records.close()

    def cut(self):
        """Resets every open connection."""
        for connection in list(self._open):
            reset(connection)

    def heal(self):
        """Answers in good order from now on."""
        self.script = lambda received: ACCEPT
        self.black_hole.clear()
        self.cut()

    def take(self, message_id, recipients, content, begun, wall):
        """Asks the script, writes the message down, and says what to answer."""
        with self._lock:
            earlier = self._copies.get(message_id, 0)
        reply = self.script(Received(message_id, recipients, content, earlier))
        with self._lock:
            if reply.takes:
                self._copies[message_id] = earlier + 1
                self.taken += 1
        self.records.write(
            sink=self.name, id=message_id, to=recipients, begun=begun, at=time.monotonic(), wall=wall,
            kind=reply.kind, code=reply.code, retry_after=reply.retry_after, bytes=content.decode("latin-1"),
        )
        if reply.delay:
            time.sleep(reply.delay)
        return reply

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(SILENCE)
            if self.black_hole.is_set():
                connection.recv(1)
                while connection.recv(65536):
                    pass
            else:
                with connection.makefile("rb") as lines:
                    self.converse(connection, lines)
        except (OSError, ValueError):
            pass  # the other side went away, as it does when it is killed
        finally:
            self._open.discard(connection)
            connection.close()

    def converse(self, connection, lines):
        raise NotImplementedError


def reset(connection):
    """Closes with RST instead of FIN."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
    except OSError:
        pass  # closed already


def vanish(connection, reply):
    """Does what `drop` and `silent` say. Returns whether the conversation is over."""
    if reply.kind in ("drop", "drop_unread"):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True
    if reply.kind == "silent":
        while connection.recv(65536):
            pass
        return True
    return False


@dataclass
class Mail:
    """An SMTP transaction in progress."""

    recipients: list = field(default_factory=list)


class MailSink(Sink):
    """An SMTP server."""

    name = "mail"

    def __init__(self, records_path):
        #: decides about each recipient, before there is a message: address -> Reply
        self.recipient_script = lambda address: ACCEPT
        #: a login that it asks for: (user, password), or None
        self.login = None
        super().__init__(records_path)

    def heal(self):
        self.recipient_script = lambda address: ACCEPT
        super().heal()

    def converse(self, connection, lines):
        connection.sendall(b"220 sink ESMTP\r\n")
        mail = Mail()
        while line := lines.readline(4096):
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                offers = ["sink", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"] + ["AUTH PLAIN"] * bool(self.login)
                answer = "".join(f"250-{offer}\r\n" for offer in offers[:-1]) + f"250 {offers[-1]}\r\n"
                connection.sendall(answer.encode())
            elif verb == b"AUTH":
                connection.sendall(b"235 2.7.0 ok\r\n")
            elif verb == b"MAIL":
                mail = Mail()
                connection.sendall(b"250 2.1.0 ok\r\n")
            elif verb == b"RCPT":
                self._recipient(connection, mail, line)
            elif verb == b"DATA":
                if not mail.recipients:
                    connection.sendall(b"503 5.5.1 no recipient\r\n")
                elif self._text(connection, lines, mail):
                    return
            elif verb == b"QUIT":
                connection.sendall(b"221 2.0.0 bye\r\n")
                return
            else:
                connection.sendall(b"250 2.0.0 ok\r\n")

    def _recipient(self, connection, mail, line):
        address = line.split(b"<", 1)[1].split(b">", 1)[0].decode("latin-1")
        reply = self.recipient_script(address)
        if reply.takes:
            mail.recipients.append(address)
            connection.sendall(b"250 2.1.5 ok\r\n")
        else:
            self.records.write(sink=self.name, id="", to=[address], begun=time.monotonic(), at=time.monotonic(),
                               wall=time.time(), kind="refuse", code=reply.code, retry_after=None, bytes="")
            connection.sendall(f"{reply.code} {reply.text}\r\n".encode())

    def _text(self, connection, lines, mail):
        """Reads one mail and answers it. Returns whether the conversation is over."""
        begun, wall = time.monotonic(), time.time()
        connection.sendall(b"354 go on\r\n")
        text = []
        while (line := lines.readline()) != b".\r\n":
            if not line:
                return True
            text.append(line[1:] if line.startswith(b"..") else line)
        content = b"".join(text)
        found = MESSAGE_ID.search(content)
        message_id = found[1].decode() if found else ""
        reply = self.take(message_id, tuple(mail.recipients), content, begun, wall)
        if vanish(connection, reply):
            return True
        answer = "250 2.0.0 taken" if reply.kind == "accept" else f"{reply.code} {reply.text}"
        connection.sendall(answer.encode() + b"\r\n")
        return False


class HttpSink(Sink):
    """A receiver of webhooks."""

    name = "http"

    def converse(self, connection, lines):
        while request_line := lines.readline(4096):
            begun, wall = time.monotonic(), time.time()
            headers = {}
            while (line := lines.readline(65536)) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            length = int(headers.get("content-length", "0"))
            body = lines.read(length)
            if len(body) < length:
                return  # whoever sent it died in the middle
            path = request_line.split(b" ")[1].decode("latin-1")
            reply = self.take(headers.get("idempotency-key", ""), (path,), body, begun, wall)
            if vanish(connection, reply):
                return
            code = 200 if reply.kind == "accept" else reply.code
            more = f"Retry-After: {reply.retry_after}\r\n" if reply.retry_after is not None else ""
            connection.sendall(f"HTTP/1.1 {code} sink\r\n{more}Content-Length: 0\r\n\r\n".encode())
