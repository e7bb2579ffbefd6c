//! Clients that are easily misjudged, with the one right verdict for each.

use crate::programs::{Client, client};

/// A client in a certain situation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) client: Client,
    /// Versions of TLS, as sites are named after them.
    pub(crate) versions: &'static [&'static str],
    pub(crate) trust: &'static str,
    /// The right one. `inconclusive` and `not-contacted` prove nothing, so that such a check fails whatever it expects.
    pub(crate) verdict: &'static str,
    /// More of the check, in TOML.
    pub(crate) more: &'static str,
}

impl Case {
    /// The name of its check.
    pub(crate) fn check_name(&self, version: &str) -> String {
        format!("{PREFIX}{} | {version}", self.client.name)
    }

    /// What the check expects, and whether it can pass.
    pub(crate) fn expects(&self) -> (&'static str, bool) {
        match self.verdict {
            "inconclusive" | "not-contacted" => ("refused", false),
            verdict => (verdict, true),
        }
    }
}

/// Both versions; the root is installed, and the client knows better.
const fn pinned(client: Client) -> Case {
    Case { client, versions: &["12", "13"], trust: "web+authority", verdict: "refused", more: "" }
}

/// Verification is switched off: exposed without any root.
const fn careless(client: Client) -> Case {
    Case { client, versions: &["12", "13"], trust: "web", verdict: "exposed", more: "" }
}

/// Something else is wrong with it.
const fn odd(client: Client, verdict: &'static str) -> Case {
    Case { client, versions: &["13"], trust: "web", verdict, more: "" }
}

/// Names of these checks begin with it.
pub(crate) const PREFIX: &str = "case: ";

/// The client that hangs, and its children with it.
pub(crate) const HANGING: &str = "refuses, then hangs with its children";

/// How long the hanging client's children sleep: `{nap}` on its command line, a number that no other process of this machine has there.
pub(crate) fn nap() -> String {
    format!("86399.{}", std::process::id())
}

const PY: &str = "/usr/bin/python3";

pub(crate) const CASES: &[Case] = &[
    pinned(client(
        "curl --pinnedpubkey",
        &["curl"],
        &["curl", "-sS", "-o", "/dev/null", "--pinnedpubkey", "sha256//{pin}", "{url}"],
    )),
    pinned(client(
        "wget --pinnedpubkey",
        &["wget"],
        &["wget", "-q", "-O", "/dev/null", "--tries=1", "--pinnedpubkey=sha256//{pin}", "{url}"],
    )),
    pinned(client("mitmlab client --pin", &[], &["mitmlab", "client", "{url}", "--pin", "{pin}"])),
    pinned(client("pinned python", &[PY], &[PY, "{lab}/clients/pinned.py", "{url}", "{pin}"])),
    pinned(client("pinned node", &["node"], &["node", "{lab}/clients/pinned.mjs", "{url}", "{pin}"])),
    pinned(client(
        "pinned java",
        &["java", "javac"],
        &["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "{built}/java", "Pinned", "{url}", "{pin}"],
    )),
    pinned(client("pinned go", &["go"], &["{built}/pinned", "{url}", "{pin}"])),
    careless(client("curl -k", &["curl"], &["curl", "-sS", "-k", "-o", "/dev/null", "{url}"])),
    careless(client(
        "wget --no-check-certificate",
        &["wget"],
        &["wget", "-q", "-O", "/dev/null", "--tries=1", "--no-check-certificate", "{url}"],
    )),
    careless(client(
        "NODE_TLS_REJECT_UNAUTHORIZED=0",
        &["node"],
        &["env", "NODE_TLS_REJECT_UNAUTHORIZED=0", "node", "{lab}/clients/get.mjs", "{url}"],
    )),
    careless(client("GIT_SSL_NO_VERIFY=1", &["git"], &["env", "GIT_SSL_NO_VERIFY=1", "git", "ls-remote", "{url}project.git"])),
    careless(client("python CERT_NONE", &[PY], &[PY, "-c", CERT_NONE, "{url}"])),
    careless(client(
        "npm --strict-ssl=false",
        &["npm"],
        &["npm", "ping", "--fetch-retries=0", "--strict-ssl=false", "--registry", "{url}"],
    )),
    careless(client("ruby VERIFY_NONE", &["ruby"], &["ruby", "-ropenssl", "-rnet/http", "-e", VERIFY_NONE, "{url}"])),
    careless(client("mitmlab client --insecure", &[], &["mitmlab", "client", "{url}", "--insecure"])),
    odd(client("makes no connection", &["true"], &["true"]), "not-contacted"),
    odd(
        client("curl --cacert /nonexistent", &["curl"], &["curl", "-sS", "-o", "/dev/null", "--cacert", "/nonexistent", "{url}"]),
        "inconclusive",
    ),
    odd(client("fails open", &["curl"], &["sh", "-c", "curl -sf $1 || curl -skf $1", "sh", "{url}"]), "exposed"),
    odd(client("slow to speak", &[PY], &[PY, "-c", SLOW, "{host}"]), "refused"),
    odd(client("dies of a signal in every leg", &[PY], &[PY, "-c", DIES, "{host}", "always"]), "inconclusive"),
    odd(client("dies of a signal at the forged chain", &[PY], &[PY, "-c", DIES, "{host}", "forged"]), "inconclusive"),
    Case {
        more: "deadline = \"8s\"",
        ..odd(client(HANGING, &["curl"], &["sh", "-c", HANGS, "sh", "{url}", "{nap}"]), "refused")
    },
    Case {
        more: "deadline = \"4s\"",
        ..odd(client("hangs at the forged chain", &[PY], &[PY, "-c", STARES, "{host}"]), "inconclusive")
    },
    Case {
        trust: "web+authority",
        ..odd(
            client(
                "prints 1 GiB",
                &["curl"],
                &["sh", "-c", "curl -s -o /dev/null $1; head -c 1073741824 /dev/zero", "sh", "{url}"],
            ),
            "exposed",
        )
    },
];

/// Shows the command line of its child once that is the one that sleeps, so that it is known what to look for once it must be gone.
const HANGS: &str = "curl -sS -o /dev/null $1; sleep $2 & \
     until grep -qa ^sleep /proc/$!/cmdline; do :; done; tr '\\0' ' ' < /proc/$!/cmdline >&2; sleep $2";

const CERT_NONE: &str = "import ssl, sys, urllib.request; \
     print(urllib.request.urlopen(sys.argv[1], timeout=10, context=ssl._create_unverified_context()).status)";

const VERIFY_NONE: &str = "u = URI(ARGV[0]); h = Net::HTTP.new(u.host, u.port); h.use_ssl = true; \
     h.verify_mode = OpenSSL::SSL::VERIFY_NONE; puts h.get('/').code";

/// Through the leg's proxy, if there is one. TLS is then done by hand, so that nothing is sent but what the case wants.
macro_rules! by_hand {
    ($rest:literal) => {
        concat!(
            "import os, signal, socket, ssl, sys, time\n",
            "host, proxy = sys.argv[1], os.environ.get('HTTPS_PROXY', '').removeprefix('http://')\n",
            "plain = socket.create_connection(tuple(proxy.split(':')) if proxy else (host, 443), timeout=20)\n",
            "if proxy:\n",
            "    plain.sendall(f'CONNECT {host}:443 HTTP/1.1\\r\\nHost: {host}:443\\r\\n\\r\\n'.encode())\n",
            "    while b'\\r\\n\\r\\n' not in plain.recv(4096): pass\n",
            "context = ssl.create_default_context()\n",
            $rest
        )
    };
}

/// Says its hello after a second.
const SLOW: &str = by_hand!(
    "time.sleep(1)\n\
     with context.wrap_socket(plain, server_hostname=host) as secure:\n    \
         secure.sendall(f'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n    \
         print(secure.recv(100))\n"
);

/// Dies in the handshake, without a word: always, or when it cannot verify.
const DIES: &str = by_hand!(
    "received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()\n\
     secure = context.wrap_bio(received, to_send, server_hostname=host)\n\
     while True:\n    \
         try:\n        \
             secure.do_handshake(); break\n    \
         except ssl.SSLWantReadError:\n        \
             plain.sendall(to_send.read()); received.write(plain.recv(65536))\n        \
             if sys.argv[2] == 'always': os.kill(os.getpid(), signal.SIGKILL)\n    \
         except ssl.SSLCertVerificationError:\n        \
             os.kill(os.getpid(), signal.SIGKILL)\n\
     plain.sendall(to_send.read())\n\
     secure.write(f'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n\
     plain.sendall(to_send.read())\n\
     print(len(plain.recv(100)))\n"
);

/// Neither refuses nor goes on when it cannot verify: it asks a user who is not there.
const STARES: &str = by_hand!(
    "received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()\n\
     secure = context.wrap_bio(received, to_send, server_hostname=host)\n\
     while True:\n    \
         try:\n        \
             secure.do_handshake(); break\n    \
         except ssl.SSLWantReadError:\n        \
             plain.sendall(to_send.read()); received.write(plain.recv(65536))\n    \
         except ssl.SSLCertVerificationError:\n        \
             time.sleep(600)\n\
     plain.sendall(to_send.read())\n\
     secure.write(f'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n\
     plain.sendall(to_send.read())\n\
     print(len(plain.recv(100)))\n"
);
