//! What of the caller's environment reaches a client, and what is held back and why.

use std::ffi::{OsStr, OsString};

/// True if the variable is passed on. The list names what a program needs to run at all; what is not on it is not passed.
pub(super) fn is_kept(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The caller's variables that would have decided trust or route. Names and reasons only: values may hold passwords.
pub(super) fn held_back(own_env: &[(OsString, OsString)]) -> Vec<(String, &'static str)> {
    let mut found: Vec<_> = own_env
        .iter()
        .filter_map(|(name, _)| {
            let name = name.to_str()?;
            let (_, why) = TELLING.iter().find(|(telling, _)| telling.eq_ignore_ascii_case(name))?;
            Some((name.to_owned(), *why))
        })
        .collect();
    found.sort();
    found
}

const KEPT: [&str; 44] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TZ",
    "TMPDIR",
    "TMP",
    "TEMP",
    "PWD",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_DIRS",
    // where runtimes and packages are: programs of one's own do not start without them
    "JAVA_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "NODE_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "PERL5LIB",
    "PERL_LOCAL_LIB_ROOT",
    "DENO_INSTALL",
    "BUN_INSTALL",
    "DOTNET_ROOT",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "NO_COLOR",
    "CI",
];

const KEPT_PREFIXES: [&str; 5] = ["LC_", "PYENV_", "NVM_", "RBENV_", "SDKMAN_"];

const ROOTS: &str = "names other roots";
const ROUTE: &str = "names another route";
const LAX: &str = "can switch verification off";
const OPTIONS: &str = "can carry options for roots, verification or route";
const TRACE: &str = "would write the client's TLS secrets to a file of the host";

/// Compared without regard to case.
const TELLING: [(&str, &str); 62] = [
    ("SSL_CERT_FILE", ROOTS),
    ("SSL_CERT_DIR", ROOTS),
    ("CURL_CA_BUNDLE", ROOTS),
    ("REQUESTS_CA_BUNDLE", ROOTS),
    ("NODE_EXTRA_CA_CERTS", ROOTS),
    ("NODE_USE_SYSTEM_CA", ROOTS),
    ("GIT_SSL_CAINFO", ROOTS),
    ("GIT_SSL_CAPATH", ROOTS),
    ("GIT_SSL_CERT", ROOTS),
    ("PIP_CERT", ROOTS),
    ("PIP_CLIENT_CERT", ROOTS),
    ("npm_config_cafile", ROOTS),
    ("npm_config_ca", ROOTS),
    ("CARGO_HTTP_CAINFO", ROOTS),
    ("DENO_CERT", ROOTS),
    ("DENO_TLS_CA_STORE", ROOTS),
    ("AWS_CA_BUNDLE", ROOTS),
    ("PERL_LWP_SSL_CA_FILE", ROOTS),
    ("PERL_LWP_SSL_CA_PATH", ROOTS),
    ("HTTPS_CA_FILE", ROOTS),
    ("HTTPLIB2_CA_CERTS", ROOTS),
    ("NIX_SSL_CERT_FILE", ROOTS),
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", ROOTS),
    ("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", ROOTS),
    ("JULIA_SSL_CA_ROOTS_PATH", ROOTS),
    ("HEX_CACERTS_PATH", ROOTS),
    ("UV_SYSTEM_CERTS", ROOTS),
    ("UV_NATIVE_TLS", ROOTS),
    ("HTTPS_PROXY", ROUTE),
    ("HTTP_PROXY", ROUTE),
    ("ALL_PROXY", ROUTE),
    ("FTP_PROXY", ROUTE),
    ("NO_PROXY", ROUTE),
    ("npm_config_proxy", ROUTE),
    ("npm_config_https_proxy", ROUTE),
    ("npm_config_noproxy", ROUTE),
    ("NODE_USE_ENV_PROXY", ROUTE),
    ("CARGO_HTTP_PROXY", ROUTE),
    ("PIP_PROXY", ROUTE),
    ("GLOBAL_AGENT_HTTP_PROXY", ROUTE),
    ("PERL_LWP_ENV_PROXY", ROUTE),
    ("RES_OPTIONS", ROUTE),
    ("LOCALDOMAIN", ROUTE),
    ("HOSTALIASES", ROUTE),
    ("NODE_TLS_REJECT_UNAUTHORIZED", LAX),
    ("GIT_SSL_NO_VERIFY", LAX),
    ("PYTHONHTTPSVERIFY", LAX),
    ("PERL_LWP_SSL_VERIFY_HOSTNAME", LAX),
    ("npm_config_strict_ssl", LAX),
    ("PIP_TRUSTED_HOST", LAX),
    ("NODE_OPTIONS", OPTIONS),
    ("JAVA_TOOL_OPTIONS", OPTIONS),
    ("JDK_JAVA_OPTIONS", OPTIONS),
    ("_JAVA_OPTIONS", OPTIONS),
    ("RUBYOPT", OPTIONS),
    ("PERL5OPT", OPTIONS),
    ("PHP_INI_SCAN_DIR", OPTIONS),
    ("OPENSSL_CONF", OPTIONS),
    ("GNUTLS_SYSTEM_PRIORITY_FILE", OPTIONS),
    ("GODEBUG", OPTIONS),
    ("LD_PRELOAD", OPTIONS),
    ("SSLKEYLOGFILE", TRACE),
];
