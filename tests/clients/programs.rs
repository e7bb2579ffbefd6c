//! The programs of the table: how each is told to fetch `{url}`, and what it does where nothing is wrong.

/// A client of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Name, independent of its version.
    pub(crate) name: &'static str,
    /// Programs that must be here.
    pub(crate) needs: &'static [&'static str],
    /// The command line; `{built}` is the folder of what the test compiles.
    pub(crate) command: &'static [&'static str],
    /// It sends a request once the handshake is done. The others end there, and have nothing that could leak.
    pub(crate) sends: bool,
    /// The explicit proxy can be tried with it; if not, the command line hides the program from the lab.
    pub(crate) proxied: bool,
}

/// A client that fetches a page and can be sent through a proxy, if it heeds one.
pub(crate) const fn client(name: &'static str, needs: &'static [&'static str], command: &'static [&'static str]) -> Client {
    Client { name, needs, command, sends: true, proxied: true }
}

/// Every real client.
pub(crate) const CLIENTS: &[Client] = &[
    client("curl", &["curl"], &["curl", "-sS", "-o", "/dev/null", "{url}"]),
    Client {
        sends: false,
        ..client(
            "openssl s_client",
            &["openssl"],
            &[
                "openssl",
                "s_client",
                "-verify_return_error",
                "-verify_hostname",
                "{host}",
                "-servername",
                "{host}",
                "-connect",
                "{host}:443",
            ],
        )
    },
    Client {
        proxied: false,
        ..client(
            "openssl s_client, asking",
            &["openssl"],
            &[
                "sh",
                "-c",
                "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -ign_eof -quiet -verify_return_error -verify_hostname $1 \
                 -servername $1 -connect $1:443",
                "sh",
                "{host}",
            ],
        )
    },
    client("python urllib", &["/usr/bin/python3"], &["/usr/bin/python3", "{lab}/clients/get.py", "{url}"]),
    client(
        "python requests",
        &["/usr/bin/python3 -mpydoc requests"],
        &["/usr/bin/python3", "{lab}/clients/get_requests.py", "{url}"],
    ),
    client("python httpx", &["/usr/bin/python3 -mpydoc httpx"], &["/usr/bin/python3", "{lab}/clients/get_httpx.py", "{url}"]),
    client(
        "python aiohttp",
        &["/usr/bin/python3 -mpydoc aiohttp"],
        &["/usr/bin/python3", "{lab}/clients/get_aiohttp.py", "{url}"],
    ),
    client("ruby Net::HTTP", &["ruby"], &["ruby", "{lab}/clients/get.rb", "{url}"]),
    client("php streams", &["php"], &["php", "{lab}/clients/get.php", "{url}"]),
    client("php curl", &["php -r curl_init();"], &["php", "{lab}/clients/get_curl.php", "{url}"]),
    client("perl LWP", &["perl -MLWP::Protocol::https -e1"], &["perl", "{lab}/clients/get.pl", "{url}"]),
    client("mitmlab client (rustls)", &[], &["mitmlab", "client", "{url}"]),
    client(
        "java HttpsURLConnection",
        &["java", "javac"],
        &["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "{built}/java", "Get", "{url}"],
    ),
    client(
        "java HttpClient",
        &["java", "javac"],
        &["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "{built}/java", "GetHttpClient", "{url}"],
    ),
    client("node https", &["node"], &["node", "{lab}/clients/get.mjs", "{url}"]),
    client("node fetch", &["node"], &["node", "{lab}/clients/fetch.mjs", "{url}"]),
    client("wget", &["wget"], &["wget", "-q", "-O", "/dev/null", "--tries=1", "{url}"]),
    client("git", &["git"], &["git", "ls-remote", "{url}project.git"]),
    Client {
        proxied: false,
        ..client(
            "gnutls-cli",
            &["gnutls-cli"],
            &["sh", "-c", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | gnutls-cli --x509cafile=$1 $2", "sh", "{ca}", "{host}"],
        )
    },
    client("go net/http", &["go"], &["{built}/get", "{url}"]),
    client("aria2", &["aria2c"], &["aria2c", "--quiet", "--max-tries=1", "--dry-run=true", "{url}"]),
    client("lynx", &["lynx"], &["lynx", "-dump", "{url}"]),
    client("pip", &["/usr/bin/pip"], &["/usr/bin/pip", "index", "versions", "thing", "--retries=0", "--index-url", "{url}"]),
    client("npm", &["npm"], &["npm", "ping", "--fetch-retries=0", "--registry", "{url}"]),
    Client {
        proxied: false,
        ..client(
            "socat",
            &["socat"],
            &[
                "sh",
                "-c",
                "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - OPENSSL:$2:443,verify=1,cafile=$1,snihost=$2,commonname=$2",
                "sh",
                "{ca}",
                "{host}",
            ],
        )
    },
    client(
        "chromium, sandboxed",
        &["chromium", "unshare"],
        &[
            "unshare",
            "-U",
            "--map-user=1000",
            "--map-group=1000",
            "chromium",
            "--headless",
            "--disable-gpu",
            "--dump-dom",
            "{url}",
        ],
    ),
];
