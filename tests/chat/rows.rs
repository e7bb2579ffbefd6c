//! The rows of the table: a client, what it is told, and what must come of it.

/// A client at a service.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What must be there, each as a command that succeeds.
    pub(crate) needs: &'static [&'static [&'static str]],
    pub(crate) argv: &'static [&'static str],
    pub(crate) url: &'static str,
    /// It can be reached by the proxy.
    pub(crate) proxied: bool,
    /// What the box makes of its messages, where it says some.
    pub(crate) messages: Option<&'static str>,
    /// The verdict with trust `web`.
    pub(crate) verdict: &'static str,
    /// The verdict where the box takes the upgrade away, if it begins with one.
    pub(crate) stripped: Option<&'static str>,
}

const OPEN: &str = "wss://chat.example.org/";
const SEALED: &str = "wss://sealed-chat.example.org/";
const XMPP: &str = "xmpp://xmpp.example.org/";
const XMPPS: &str = "xmpps://xmpp.example.org/";

const PYTHON: &[&str] = &["/usr/bin/python3", "-c", ""];
const WEBSOCKET: &[&str] = &["/usr/bin/python3", "-c", "import websocket"];
const WEBSOCKETS: &[&str] = &["/usr/bin/python3", "-c", "import websockets"];
const SLIXMPP: &[&str] = &["/usr/bin/python3", "-c", "import slixmpp"];
const NODE: &[&str] = &["node", "--version"];
const CURL: &[&str] = &["curl", "--version"];

/// Every client, strict and, where it has such a setting, lax.
pub(crate) const ROWS: &[Row] = &[
    row("mitmlab chat", &[], &["mitmlab", "chat", "{url}", "--both", "--say", "Tea?"], OPEN, Some("read"), "refused"),
    row(
        "mitmlab chat --insecure",
        &[],
        &["mitmlab", "chat", "{url}", "--both", "--say", "Tea?", "--insecure"],
        OPEN,
        Some("read"),
        "exposed",
    ),
    row(
        "mitmlab chat --end-to-end",
        &[],
        &["mitmlab", "chat", "{url}", "--both", "--say", "Tea?", "--end-to-end"],
        SEALED,
        Some("ciphertext"),
        "refused",
    ),
    row(
        "mitmlab chat --end-to-end --insecure",
        &[],
        &["mitmlab", "chat", "{url}", "--both", "--say", "Tea?", "--end-to-end", "--insecure"],
        SEALED,
        Some("ciphertext"),
        "exposed",
    ),
    row(
        "python http.client",
        &[PYTHON],
        &["/usr/bin/python3", "{lab}/clients/chat.py", "{url}", "Tea?"],
        OPEN,
        Some("read"),
        "refused",
    ),
    row(
        "python http.client, lax",
        &[PYTHON],
        &["/usr/bin/python3", "{lab}/clients/chat.py", "{url}", "Tea?", "--insecure"],
        OPEN,
        Some("read"),
        "exposed",
    ),
    row(
        "python websocket-client",
        &[WEBSOCKET],
        &["/usr/bin/python3", "{lab}/clients/chat_websocket.py", "{url}", "Tea?"],
        OPEN,
        Some("read"),
        "refused",
    ),
    row(
        "python websocket-client, lax",
        &[WEBSOCKET],
        &["/usr/bin/python3", "{lab}/clients/chat_websocket.py", "{url}", "Tea?", "--insecure"],
        OPEN,
        Some("read"),
        "exposed",
    ),
    past(
        "python websockets",
        &[WEBSOCKETS],
        &["/usr/bin/python3", "{lab}/clients/chat_websockets.py", "{url}", "Tea?"],
        OPEN,
        Some("read"),
        "refused",
    ),
    past(
        "python websockets, lax",
        &[WEBSOCKETS],
        &["/usr/bin/python3", "{lab}/clients/chat_websockets.py", "{url}", "Tea?", "--insecure"],
        OPEN,
        Some("read"),
        "exposed",
    ),
    past("node", &[NODE], &["node", "{lab}/clients/chat.mjs", "{url}", "Tea?"], OPEN, Some("read"), "refused"),
    past("node, lax", &[NODE], &["node", "{lab}/clients/chat.mjs", "{url}", "Tea?", "--insecure"], OPEN, Some("read"), "exposed"),
    past("slixmpp at prosody", &[SLIXMPP], &["/usr/bin/python3", "{lab}/clients/xmpp.py", "{url}"], XMPPS, None, "refused"),
    past(
        "slixmpp at prosody, lax",
        &[SLIXMPP],
        &["/usr/bin/python3", "{lab}/clients/xmpp.py", "{url}", "--insecure"],
        XMPPS,
        None,
        "exposed",
    ),
    row(
        "curl imaps at dovecot",
        &[CURL],
        &["curl", "-sS", "--user", "alice:wonderland", "{url}"],
        "imaps://dovecot.example.org/INBOX;MAILINDEX=1",
        None,
        "refused",
    ),
    row(
        "curl imaps at dovecot, lax",
        &[CURL],
        &["curl", "-sS", "-k", "--user", "alice:wonderland", "{url}"],
        "imaps://dovecot.example.org/INBOX;MAILINDEX=1",
        None,
        "exposed",
    ),
    row(
        "curl pop3s at dovecot",
        &[CURL],
        &["curl", "-sS", "--user", "alice:wonderland", "{url}"],
        "pop3s://dovecot.example.org/1",
        None,
        "refused",
    ),
    row(
        "curl pop3s at dovecot, lax",
        &[CURL],
        &["curl", "-sS", "-k", "--user", "alice:wonderland", "{url}"],
        "pop3s://dovecot.example.org/1",
        None,
        "exposed",
    ),
    upgraded(
        row(
            "curl imap --ssl-reqd at dovecot",
            &[CURL],
            &["curl", "-sS", "--ssl-reqd", "--user", "alice:wonderland", "{url}"],
            "imap://dovecot.example.org/INBOX;MAILINDEX=1",
            None,
            "refused",
        ),
        "refused",
    ),
    upgraded(
        row(
            "curl imap --ssl -k at dovecot",
            &[CURL],
            &["curl", "-sS", "--ssl", "-k", "--user", "alice:wonderland", "{url}"],
            "imap://dovecot.example.org/INBOX;MAILINDEX=1",
            None,
            "exposed",
        ),
        "exposed-in-clear",
    ),
    upgraded(
        row(
            "curl pop3 --ssl-reqd at dovecot",
            &[CURL],
            &["curl", "-sS", "--ssl-reqd", "--user", "alice:wonderland", "{url}"],
            "pop3://dovecot.example.org/1",
            None,
            "refused",
        ),
        "refused",
    ),
    upgraded(
        row(
            "curl pop3 --ssl -k at dovecot",
            &[CURL],
            &["curl", "-sS", "--ssl", "-k", "--user", "alice:wonderland", "{url}"],
            "pop3://dovecot.example.org/1",
            None,
            "exposed",
        ),
        "exposed-in-clear",
    ),
    upgraded(
        past(
            "slixmpp starttls demanded at prosody",
            &[SLIXMPP],
            &["/usr/bin/python3", "{lab}/clients/xmpp.py", "{url}", "--demand"],
            XMPP,
            None,
            "refused",
        ),
        "refused",
    ),
    // As it comes: no password is shown (SCRAM), and the messages are.
    upgraded(
        past(
            "slixmpp starttls at prosody",
            &[SLIXMPP],
            &["/usr/bin/python3", "{lab}/clients/xmpp.py", "{url}"],
            XMPP,
            None,
            "refused",
        ),
        "exposed-in-clear",
    ),
    upgraded(
        past(
            "slixmpp starttls if offered, lax, at prosody",
            &[SLIXMPP],
            &["/usr/bin/python3", "{lab}/clients/xmpp.py", "{url}", "--insecure", "--optional"],
            XMPP,
            None,
            "exposed",
        ),
        "exposed-in-clear",
    ),
];

const fn upgraded(row: Row, stripped: &'static str) -> Row {
    Row { stripped: Some(stripped), ..row }
}

const fn row(
    name: &'static str,
    needs: &'static [&'static [&'static str]],
    argv: &'static [&'static str],
    url: &'static str,
    messages: Option<&'static str>,
    verdict: &'static str,
) -> Row {
    Row { name, needs, argv, url, proxied: true, messages, verdict, stripped: None }
}

/// The same for one that goes past any proxy.
const fn past(
    name: &'static str,
    needs: &'static [&'static [&'static str]],
    argv: &'static [&'static str],
    url: &'static str,
    messages: Option<&'static str>,
    verdict: &'static str,
) -> Row {
    Row { proxied: false, ..row(name, needs, argv, url, messages, verdict) }
}
