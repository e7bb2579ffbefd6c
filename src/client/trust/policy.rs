//! Browser policies that install certificates: plain files that are shown to a browser in the sealed network.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use serde_json::json;

/// Chromium's managed policy: `CACertificates` (trusted) and `CADistrustedCertificates` (refused whatever else says).
/// See chromeenterprise.google/policies; the first was measured to work with Chromium 156 on Debian.
pub(super) fn chromium(trusted: &[CertificateDer<'_>], distrusted: &[CertificateDer<'_>]) -> String {
    let trusted: Vec<String> = trusted.iter().map(|c| STANDARD.encode(c)).collect();
    let distrusted: Vec<String> = distrusted.iter().map(|c| STANDARD.encode(c)).collect();
    let policy = json!({
        "CACertificates": trusted,
        "CADistrustedCertificates": distrusted,
        "ComponentUpdatesEnabled": false,
        "MetricsReportingEnabled": false,
        "BuiltInDnsClientEnabled": false,
        "DnsOverHttpsMode": "off",
    });
    format!("{policy:#}\n")
}

/// Firefox's `policies.json`: `Certificates.Install` takes absolute paths of PEM files, one certificate in each
/// (mozilla.github.io/policy-templates). The network is left alone by switching off what dials on its own.
pub(super) fn firefox(roots: &[PathBuf]) -> String {
    let roots: Vec<_> = roots.iter().map(|p| p.to_string_lossy()).collect();
    let policy = json!({
        "policies": {
            "Certificates": { "Install": roots },
            "DisableAppUpdate": true,
            "DisableTelemetry": true,
            "DNSOverHTTPS": { "Enabled": false },
            "OverrideFirstRunPage": "",
            "DisableFirefoxStudies": true,
            "CaptivePortal": false,
        }
    });
    format!("{policy:#}\n")
}

/// Where the policy lies in its tree.
pub(super) const CHROMIUM_FILE: &str = "policies/managed/mitmlab.json";
