//! The variables and files that the lab gives to a client: neutral configuration, trust, route.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{ConfigFile, Kind, Variable};
use crate::client::presets::{Home, Preset};
use crate::client::trust::{JAVA_PASSWORD, TrustStore};
use crate::scenario::Trust;

/// What decides the surroundings.
pub(super) struct Context<'a> {
    pub(super) kind: &'a Kind,
    pub(super) trust: Trust,
    pub(super) store: &'a TrustStore,
    pub(super) preset: &'a Preset,
}

impl Context<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.store.leg_dir.join("config").join(name)
    }

    fn proxy(&self) -> Option<SocketAddr> {
        match self.kind {
            Kind::Proxy { address } => Some(*address),
            Kind::Sealed(_) | Kind::Direct => None,
        }
    }

    /// True if an overlay shows Java its store, so that no option is needed (the option makes every Java write a line).
    fn java_is_covered(&self) -> bool {
        matches!(self.kind, Kind::Sealed(ground) if !ground.java.is_empty())
    }
}

/// Configuration files and caches of the user, out of the way.
pub(super) fn neutral(context: &Context<'_>) -> Vec<Variable> {
    let empty = context.file(EMPTY);
    let cache = |name: &str| context.store.leg_dir.join("cache").join(name);
    let mut variables = vec![
        set("CURL_HOME", context.file("curl"), "an empty .curlrc lies there"),
        set("PIP_CONFIG_FILE", "/dev/null", "no pip.conf"),
        set("PIP_NO_CACHE_DIR", "1", "a cached answer would need no connection"),
        set("PIP_DISABLE_PIP_VERSION_CHECK", "1", "no connection that nobody asked for"),
        set("NPM_CONFIG_USERCONFIG", &empty, "no npmrc of the user"),
        set("NPM_CONFIG_GLOBALCONFIG", context.file(NPM_GLOBAL), "no npmrc of the system"),
        set("npm_config_cache", cache("npm"), "a cached answer would need no connection"),
        set("npm_config_update_notifier", "false", "no connection that nobody asked for"),
        set("GIT_CONFIG_NOSYSTEM", "1", "no gitconfig of the system"),
        set("GIT_CONFIG_GLOBAL", "/dev/null", "no gitconfig of the user"),
        set("GIT_TERMINAL_PROMPT", "0", "nobody is there to answer"),
        set("SYSTEM_WGETRC", &empty, "no wgetrc of the system"),
        set("WGETRC", context.file(WGETRC), "wget reads no variable for roots"),
        set("WGET2RC", context.file(WGETRC), "the same for wget2"),
        set("SYSTEM_WGET2RC", &empty, "no wget2rc of the system"),
        set("GOENV", "off", "no settings from `go env -w`"),
        set("DENO_DIR", cache("deno"), "a cached answer would need no connection"),
        set("BUN_INSTALL_CACHE_DIR", cache("bun"), "a cached answer would need no connection"),
        set("UV_NO_CACHE", "1", "a cached answer would need no connection"),
        set("UV_NO_CONFIG", "1", "no uv.toml"),
    ];
    if context.preset.home == Home::Fresh {
        let home = context.store.nss_home.clone().unwrap_or_else(|| context.store.leg_dir.join("home"));
        variables.push(set("HOME", home, "a home of its own: profile, NSS database and caches of this leg only"));
    }
    variables
}

/// The store, by every variable that some program reads. They *replace* a program's roots, but for `NODE_EXTRA_CA_CERTS`.
pub(super) fn trust(context: &Context<'_>) -> Vec<Variable> {
    let store = context.store;
    let mut variables: Vec<Variable> = BUNDLE_VARIABLES.iter().map(|(name, why)| set(name, &store.bundle, why)).collect();
    variables.push(set("SSL_CERT_DIR", &store.hashed, "OpenSSL and Go: hashed directory"));
    variables.push(set("PHP_INI_SCAN_DIR", joined(":", &context.file("php")), "php: openssl.cafile and curl.cainfo"));
    variables.push(set("APT_CONFIG", context.file(APT), "apt: Acquire::https::CaInfo"));
    variables.push(set("MITMLAB_PUBLIC_ROOTS", &store.public_roots, "the lab's detector: the roots of the vendors"));
    if context.trust == Trust::WebAuthorityBlocklist {
        variables.push(set("MITMLAB_BLOCKLIST", &store.blocklist, "the lab's clients: keys that the vendors blocked"));
    }
    let options = java_options(context);
    if !options.is_empty() {
        variables.push(set("JAVA_TOOL_OPTIONS", options.join(" "), "Java reads options, not variables"));
    }
    variables
}

/// The way to the proxy, by every variable that some program reads.
pub(super) fn proxy(context: &Context<'_>) -> Vec<Variable> {
    let Some(address) = context.proxy() else { return Vec::new() };
    let url = format!("http://{address}");
    let mut variables: Vec<Variable> = PROXY_VARIABLES.iter().map(|name| set(name, &url, "the way to the lab")).collect();
    variables.extend(NO_PROXY_VARIABLES.iter().map(|name| set(name, "", "no host goes past the lab")));
    variables.push(set("PERL_LWP_ENV_PROXY", "1", "Perl's LWP reads the variables then"));
    variables.push(set("NODE_USE_ENV_PROXY", "1", "node from 22.21 and 24.5 on reads the variables then"));
    variables
}

/// The files that the variables point to.
pub(super) fn files(context: &Context<'_>) -> Vec<ConfigFile> {
    let bundle = context.store.bundle.display();
    let proxy = context.proxy();
    let wget_proxy = proxy.map(|a| format!("use_proxy = on\nhttps_proxy = http://{a}/\nhttp_proxy = http://{a}/\n"));
    let apt_proxy = proxy.map(|a| format!("Acquire::http::Proxy \"http://{a}/\";\nAcquire::https::Proxy \"http://{a}/\";\n"));
    let file = |name: &str, content: String| ConfigFile { path: context.file(name), content };
    let mut files = vec![
        file(EMPTY, String::new()),
        file(NPM_GLOBAL, String::new()),
        file("curl/.curlrc", String::new()),
        // hsts: wget would keep a file in the home directory, and one leg would change the next
        file(WGETRC, format!("ca_certificate = {bundle}\nhsts = off\n{}", wget_proxy.unwrap_or_default())),
        file("php/mitmlab.ini", format!("openssl.cafile=\"{bundle}\"\ncurl.cainfo=\"{bundle}\"\n")),
        file(APT, format!("Acquire::https::CaInfo \"{bundle}\";\n{}", apt_proxy.unwrap_or_default())),
    ];
    if context.preset.names.contains(&"firefox") {
        files.push(ConfigFile { path: context.store.leg_dir.join("firefox-profile/user.js"), content: FIREFOX.to_owned() });
    }
    files
}

fn java_options(context: &Context<'_>) -> Vec<String> {
    let mut options = Vec::new();
    if !context.java_is_covered() {
        options.push(format!("'-Djavax.net.ssl.trustStore={}'", context.store.pkcs12.display()));
        options.push("-Djavax.net.ssl.trustStoreType=PKCS12".to_owned());
        options.push(format!("-Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD}"));
    }
    if let Some(address) = context.proxy() {
        for scheme in ["http", "https"] {
            options.push(format!("-D{scheme}.proxyHost={} -D{scheme}.proxyPort={}", address.ip(), address.port()));
        }
        options.push("-Dhttp.nonProxyHosts=".to_owned()); // the default leaves loopback out
    }
    options
}

fn set(name: &str, value: impl Into<OsString>, why: &'static str) -> Variable {
    Variable { name: name.into(), value: value.into(), why }
}

fn joined(before: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(before);
    joined.push(path);
    joined
}

const EMPTY: &str = "empty";
/// Another empty file: npm ends with an error if both its files are the same.
const NPM_GLOBAL: &str = "npmrc-global";
const WGETRC: &str = "wgetrc";
const APT: &str = "apt.conf";

/// All take the path of a PEM bundle. `HTTPS_CA_FILE` (Perl's Crypt::SSLeay) is not among them: LWP takes it as a wish to check
/// the chain and not the host name, so that setting it makes Perl accept anybody's certificate.
const BUNDLE_VARIABLES: [(&str, &str); 18] = [
    ("SSL_CERT_FILE", "OpenSSL, Go, rustls-native-certs, httpx, uv"),
    ("CURL_CA_BUNDLE", "curl"),
    ("REQUESTS_CA_BUNDLE", "Python requests"),
    ("NODE_EXTRA_CA_CERTS", "node and bun: added to the roots compiled in"),
    ("GIT_SSL_CAINFO", "git"),
    ("PIP_CERT", "pip"),
    ("npm_config_cafile", "npm"),
    ("CARGO_HTTP_CAINFO", "cargo"),
    ("DENO_CERT", "deno"),
    ("AWS_CA_BUNDLE", "AWS tools"),
    ("PERL_LWP_SSL_CA_FILE", "Perl LWP"),
    ("HTTPLIB2_CA_CERTS", "Python httplib2"),
    ("NIX_SSL_CERT_FILE", "programs built with Nix"),
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "gRPC"),
    ("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "Google Cloud tools"),
    ("JULIA_SSL_CA_ROOTS_PATH", "Julia"),
    ("HEX_CACERTS_PATH", "Elixir's hex"),
    ("BUNDLE_SSL_CA_CERT", "Ruby's bundler"),
];

/// Which program reads which form was measured: some upper case only, some lower case only, some both.
const PROXY_VARIABLES: [&str; 11] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "CARGO_HTTP_PROXY",
    "GLOBAL_AGENT_HTTP_PROXY",
    "GLOBAL_AGENT_HTTPS_PROXY",
];

const NO_PROXY_VARIABLES: [&str; 4] = ["NO_PROXY", "no_proxy", "npm_config_noproxy", "GLOBAL_AGENT_NO_PROXY"];
/// Preferences of Firefox's own profile; a policy would come too late for the first of them. Without a default route it thinks
/// itself offline and loads nothing; the others keep it from dialling on its own.
const FIREFOX: &str = r#"user_pref("network.manage-offline-status", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
"#;
