//! The table of programs. Versions that it was measured with stand in the remarks where they matter.

use super::{Argument, Blocklist, Home, Preset, ProxyUse, Store};

/// A program that reads the system's store and the proxy variables, and nothing else that is known.
pub(super) const UNKNOWN: Preset = Preset {
    names: &["unknown program"],
    store: Store::Unknown,
    knob: "every known variable",
    ignores: &[],
    proxy: ProxyUse::Unknown,
    arguments: &[],
    proxy_arguments: &[],
    home: Home::Callers,
    blocklist: Blocklist::Ignores,
    remark: None,
};

const SYSTEM: Preset = Preset { store: Store::System, proxy: ProxyUse::Variables, ..UNKNOWN };

/// Every program that is known.
pub(super) static PRESETS: &[Preset] = &[
    Preset { names: &["curl"], knob: "CURL_CA_BUNDLE, SSL_CERT_FILE", ..SYSTEM },
    Preset {
        names: &["wget"],
        knob: "WGETRC: ca_certificate",
        ignores: &["SSL_CERT_FILE"],
        proxy: ProxyUse::Configuration("WGETRC: https_proxy"),
        remark: Some("GnuTLS builds complete the handshake before they refuse"),
        ..SYSTEM
    },
    Preset {
        names: &["python", "pypy", "uvicorn", "pytest"],
        knob: "SSL_CERT_FILE; REQUESTS_CA_BUNDLE for requests",
        ignores: &["requests: SSL_CERT_FILE", "httpx: REQUESTS_CA_BUNDLE"],
        remark: Some("aiohttp without trust_env goes past the proxy; libraries on certifi carry their own roots"),
        ..SYSTEM
    },
    Preset {
        names: &["node", "nodejs", "electron", "tsx", "ts-node"],
        store: Store::Own("compiled in"),
        knob: "NODE_EXTRA_CA_CERTS",
        ignores: &["SSL_CERT_FILE without --use-openssl-ca"],
        proxy: ProxyUse::Since { versions: &[(22, 21), (24, 5)], how: "NODE_USE_ENV_PROXY=1" },
        remark: Some("a real node does not read the system's store: the lab hands it the roots"),
        ..UNKNOWN
    },
    Preset {
        names: &["npm", "npx", "pnpm", "yarn"],
        store: Store::Own("node's"),
        knob: "npm_config_cafile, NODE_EXTRA_CA_CERTS",
        ignores: &["NODE_EXTRA_CA_CERTS once cafile is set"],
        proxy: ProxyUse::Configuration("npm_config_https_proxy"),
        ..UNKNOWN
    },
    Preset {
        names: &["deno"],
        store: Store::Own("Mozilla's, compiled in"),
        knob: "DENO_CERT",
        proxy: ProxyUse::Variables,
        ..UNKNOWN
    },
    Preset {
        names: &["bun", "bunx"],
        store: Store::Own("Mozilla's, compiled in"),
        knob: "NODE_EXTRA_CA_CERTS",
        proxy: ProxyUse::Variables,
        ..UNKNOWN
    },
    Preset {
        names: &["java", "gradle", "mvn", "kotlin", "jshell", "keytool", "javac"],
        store: Store::Own("JAVA_HOME/lib/security/cacerts; on Debian /etc/ssl/certs/java/cacerts"),
        knob: "JAVA_TOOL_OPTIONS: javax.net.ssl.trustStore",
        ignores: &["HTTPS_PROXY", "SSL_CERT_FILE"],
        proxy: ProxyUse::Configuration("JAVA_TOOL_OPTIONS: https.proxyHost"),
        remark: Some("ends accepted TLS 1.3 connections with user_canceled(90)"),
        ..UNKNOWN
    },
    Preset { names: &["git"], knob: "GIT_SSL_CAINFO", ignores: &["SSL_CERT_FILE with libcurl-gnutls"], ..SYSTEM },
    Preset {
        names: &["pip", "pipx"],
        store: Store::Own("certifi, vendored; the system's from 24.2 on"),
        knob: "PIP_CERT",
        proxy: ProxyUse::Variables,
        ..UNKNOWN
    },
    Preset {
        names: &["uv", "uvx"],
        store: Store::Own("Mozilla's, compiled in"),
        knob: "SSL_CERT_FILE",
        proxy: ProxyUse::Variables,
        ..UNKNOWN
    },
    Preset { names: &["cargo", "rustup"], knob: "CARGO_HTTP_CAINFO, SSL_CERT_FILE", ..SYSTEM },
    Preset { names: &["go"], knob: "SSL_CERT_FILE, SSL_CERT_DIR", remark: Some("never sends localhost to a proxy"), ..SYSTEM },
    Preset { names: &["ruby", "irb", "gem", "bundle", "bundler", "rake"], knob: "SSL_CERT_FILE", ..SYSTEM },
    Preset {
        names: &["perl", "lwp-request", "GET", "HEAD", "POST"],
        knob: "PERL_LWP_SSL_CA_FILE",
        ignores: &["SSL_CERT_FILE"],
        proxy: ProxyUse::Configuration("PERL_LWP_ENV_PROXY=1"),
        ..SYSTEM
    },
    Preset {
        names: &["php", "composer"],
        knob: "PHP_INI_SCAN_DIR: openssl.cafile, curl.cainfo",
        remark: Some("streams go past the proxy, the curl extension does not"),
        ..SYSTEM
    },
    Preset {
        names: &["openssl"],
        store: Store::Unchecked,
        knob: "SSL_CERT_FILE",
        proxy: ProxyUse::Argument,
        proxy_arguments: &[Argument {
            after: Some("s_client"),
            ..argument("-proxy={proxy}", "s_client reads no proxy variable")
        }],
        remark: Some("s_client goes on after a failed verification unless -verify_return_error is given"),
        ..SYSTEM
    },
    Preset {
        names: &["gnutls-cli"],
        knob: "--x509cafile",
        proxy: ProxyUse::Never("it knows no proxy"),
        arguments: &[argument("--x509cafile={bundle}", "GnuTLS reads no variable for roots")],
        ..SYSTEM
    },
    Preset {
        names: &["aria2c"],
        knob: "--ca-certificate",
        ignores: &["SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"],
        proxy: ProxyUse::Argument,
        arguments: &[
            argument("--no-conf=true", "the user's configuration can change trust and proxy"),
            argument("--ca-certificate={bundle}", "aria2 reads no variable for roots"),
        ],
        proxy_arguments: &[argument(
            "--all-proxy=http://{proxy}",
            "aria2 reads https_proxy, but a no_proxy of the host would win",
        )],
        ..SYSTEM
    },
    Preset { names: &["lynx"], knob: "SSL_CERT_FILE", proxy: ProxyUse::LowerCase, ..SYSTEM },
    Preset {
        names: &["socat"],
        knob: "SSL_CERT_FILE, cafile=",
        proxy: ProxyUse::Never("it dials what its address says"),
        ..SYSTEM
    },
    Preset {
        names: &["apt", "apt-get"],
        knob: "APT_CONFIG: Acquire::https::CaInfo",
        proxy: ProxyUse::LowerCase,
        remark: Some("exits 0 on a refusal"),
        ..SYSTEM
    },
    Preset {
        names: &["swaks"],
        store: Store::Unchecked,
        knob: "--tls-verify, --tls-ca-path",
        proxy: ProxyUse::Never("it knows no proxy"),
        remark: Some("checks no certificate unless it is told to (--tls-verify)"),
        ..SYSTEM
    },
    Preset {
        names: &["nmap", "testssl", "testssl.sh", "sslscan", "sslyze"],
        store: Store::Unchecked,
        proxy: ProxyUse::Never("it dials addresses"),
        remark: Some("looks at the chain and sends nothing"),
        ..SYSTEM
    },
    Preset {
        names: &["dig", "delv", "host", "nslookup", "kdig", "drill"],
        store: Store::Unchecked,
        proxy: ProxyUse::Never("it asks resolvers itself"),
        ..SYSTEM
    },
    Preset { names: &["mitmlab"], knob: "SSL_CERT_FILE", blocklist: Blocklist::Reads("MITMLAB_BLOCKLIST"), ..SYSTEM },
    Preset {
        names: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell"],
        store: Store::Own("Chrome Root Store, NSS database, managed policy"),
        knob: "policy CACertificates (sealed network); NSS database in a new home",
        ignores: &["SSL_CERT_FILE"],
        proxy: ProxyUse::Argument,
        arguments: CHROMIUM,
        proxy_arguments: &[
            argument("--proxy-server=http://{proxy}", "no variable of the host can say otherwise"),
            argument("--proxy-bypass-list=<-loopback>", "loopback is a host like any other here"),
        ],
        home: Home::Fresh,
        blocklist: Blocklist::Reads("policy CADistrustedCertificates (sealed network)"),
        remark: Some(
            "exits 0 on a refusal and opens several connections; a root installed by the user overrides its built-in pins",
        ),
    },
    Preset {
        names: &["firefox", "firefox-esr"],
        store: Store::Own("NSS, compiled in; the profile's cert9.db; policies.json"),
        knob: "policy Certificates.Install (sealed network)",
        ignores: &["SSL_CERT_FILE"],
        proxy: ProxyUse::Never("its proxy is a preference of the profile"),
        arguments: &[argument("--profile={dir}/firefox-profile", "a profile of its own: no state from other runs")],
        home: Home::Fresh,
        remark: Some("does not end on a refusal with --screenshot: the deadline ends it"),
        ..UNKNOWN
    },
];

const CHROMIUM: &[Argument] = &[
    argument("--user-data-dir={dir}/chromium-profile", "a profile of its own: no state from other runs"),
    argument("--no-first-run", "no first-run page"),
    argument("--disable-background-networking", "fewer connections that nobody asked for"),
    argument("--disable-component-update", "fewer connections that nobody asked for"),
    argument("--disable-dev-shm-usage", "works where /dev/shm is small"),
    Argument { superuser: true, ..argument("--no-sandbox", "Chromium refuses to start as superuser with its sandbox") },
];

const fn argument(text: &'static str, why: &'static str) -> Argument {
    Argument { text, after: None, superuser: false, why }
}
