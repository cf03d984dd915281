//! What a caller reads whose request never reached the server.
//!
//! Nobody knows yet what was asked for, so all of them carry the webhooks' flat object: it is the bots who cannot do
//! without.

/// An answer that is the last one on its connection.
macro_rules! refusal {
    ($status:literal, $headers:literal, $message:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\n",
            $headers,
            "Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            "{\"ok\":false,\"status\":\"error\",\"message\":\"",
            $message,
            "\",\"id\":\"\",\"name\":\"\",\"topic\":\"\",\"channel\":\"\",\"field\":\"\"}"
        )
        .as_bytes()
    };
}

/// The head did not come in time.
pub(super) const HEAD_LATE: &[u8] = refusal!("408 Request Timeout", "", "The request did not come in time.");

/// The head is too long.
pub(super) const HEAD_TOO_LONG: &[u8] =
    refusal!("431 Request Header Fields Too Large", "", "The request's headers are longer than 64 KiB.");

/// The body has two lengths.
pub(super) const TWO_LENGTHS: &[u8] =
    refusal!("400 Bad Request", "", "Send Content-Length or Transfer-Encoding, not both.");

/// The caller speaks HTTP/2.
pub(super) const HTTP_2: &[u8] = refusal!("505 HTTP Version Not Supported", "", "Speak HTTP/1.1 to this server.");

/// There are too many connections.
pub(super) const TOO_MANY: &[u8] = refusal!(
    "503 Service Unavailable",
    "Retry-After: 2\r\n",
    "There are too many connections. Please try again in a moment."
);
