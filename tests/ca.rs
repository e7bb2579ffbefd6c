//! The genuine PKI and what detectors get of it, as real programs see them from inside the lab: openssl, curl, python, GnuTLS.
//!
//! Each test runs `mitmlab exec` with a small scenario and a shell script, and reads what the script printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "ca/lab.rs"]
mod lab;

use lab::{exec, lacks, run};

#[test]
fn openssl_asks_the_responder_that_the_certificate_names() {
    if lacks(&["openssl"]) {
        return;
    }
    let said = exec(
        r#"
        for name in good revoked; do
            fetch $name.ca-lab.test
            url=$(openssl x509 -in leaf.pem -noout -ocsp_uri)
            for digest in -sha1 -sha256; do
                openssl ocsp $digest -issuer issuer.pem -cert leaf.pem -url $url -CAfile $SSL_CERT_FILE 2>&1
            done
        done
        fetch good.ca-lab.test
        openssl ocsp -issuer issuer.pem -serial 0x0123 -url http://ocsp.mitmlab.test/ -CAfile $SSL_CERT_FILE 2>&1
        "#,
    );
    assert_eq!(said.matches("leaf.pem: good").count(), 2, "{said}");
    assert_eq!(said.matches("leaf.pem: revoked").count(), 2, "{said}");
    assert_eq!(said.matches("0x0123: unknown").count(), 1, "{said}");
    assert_eq!(said.matches("Response verify OK").count(), 5, "{said}");
    assert!(!said.contains("WARNING: no nonce"), "the nonce is repeated: {said}");
}

#[test]
fn openssl_takes_the_revocation_list_from_where_the_certificate_says() {
    if lacks(&["openssl", "curl"]) {
        return;
    }
    let said = exec(
        r#"
        for name in good revoked; do
            fetch $name.ca-lab.test
            openssl verify -x509_strict -crl_check -crl_download -CAfile $SSL_CERT_FILE -untrusted issuer.pem leaf.pem 2>&1
        done
        curl -sS http://crl.mitmlab.test/root.crl | openssl crl -inform der >crls.pem
        curl -sS http://crl.mitmlab.test/e1.crl | openssl crl -inform der >>crls.pem
        fetch good.ca-lab.test
        openssl verify -crl_check_all -CRLfile crls.pem -CAfile $SSL_CERT_FILE -untrusted issuer.pem leaf.pem 2>&1
        curl -sS http://ca.mitmlab.test/e1.crt | openssl x509 -inform der | cmp - issuer.pem && echo same issuer
        curl -sS -o /dev/null -w '%{http_code}\n' http://crl.mitmlab.test/nobody.crl
        "#,
    );
    assert_eq!(said.matches("leaf.pem: OK").count(), 2, "{said}");
    assert_eq!(said.matches("certificate revoked").count(), 1, "{said}");
    assert!(said.contains("same issuer") && said.contains("404"), "{said}");
}

#[test]
fn a_staple_is_sent_to_who_asks_and_verifies() {
    if lacks(&["openssl", "curl", "gnutls-cli"]) {
        return;
    }
    let said = exec(
        r#"
        for name in good staple revoked; do
            curl -sS --cert-status -o /dev/null https://$name.ca-lab.test/ 2>/dev/null
            echo "curl $name $?"
        done
        gnutls-cli --x509cafile=$SSL_CERT_FILE staple.ca-lab.test </dev/null 2>&1 | grep -i 'options\|status:'
        "#,
    );
    for line in ["curl good 0", "curl staple 0", "curl revoked 91", "The certificate is trusted", "OCSP status request"] {
        assert!(said.contains(line), "`{line}` is missing: {said}");
    }
}

#[test]
fn python_checks_timestamps_against_the_exported_list_and_finds_none_in_a_forgery() {
    if lacks(&["openssl", "/usr/bin/python3"]) {
        return;
    }
    let said = exec(
        r#"
        fetch good.ca-lab.test
        mitmlab ca ct-log-list >logs.json
        openssl x509 -in leaf.pem -noout -text | grep -A2 'Log ID' >ids.txt
        /usr/bin/python3 - <<'PYTHON'
import base64, hashlib, json, re
logs = [log for operator in json.load(open("logs.json"))["operators"] for log in operator["logs"]]
ids = {base64.b64decode(log["log_id"]) for log in logs}
assert ids == {hashlib.sha256(base64.b64decode(log["key"])).digest() for log in logs}
shown = re.findall(r"Log ID *: ((?:[0-9A-F]{2}:?\s*)+)", open("ids.txt").read())
shown = {bytes.fromhex(re.sub(r"[^0-9A-F]", "", one)) for one in shown}
print("logs of two operators:", len(ids) == 2 and shown == ids)
PYTHON
        fetch forged.ca-lab.test
        openssl x509 -in leaf.pem -noout -text | grep -c 'Log ID'
        "#,
    );
    assert!(said.contains("logs of two operators: True") && said.trim_end().ends_with('0'), "{said}");
}

#[test]
fn a_detector_gets_files_by_placeholder_by_command_and_in_the_record() {
    if lacks(&["openssl"]) {
        return;
    }
    let kept = tempfile::tempdir().unwrap();
    let record = kept.path().join("record");
    let script = "for file; do cat \"$file\" | head -c 60 | tr '\\n' ' '; echo; done; cmp \"$SSL_CERT_FILE\" \"$1\" && echo the same roots";
    let arguments = ["sh", "-c", script, "sh", "{roots}", "{ct_logs}", "{blocklist}", "{crl}", "{pins}"];
    let said = run(&["--record", record.to_str().unwrap()], &arguments);
    for line in ["BEGIN CERTIFICATE", "\"version\"", "# SHA-256 of blocked", "BEGIN X509 CRL", "ca-lab.test", "the same roots"] {
        assert!(said.contains(line), "`{line}` is missing: {said}");
    }
    let of_record = |what: &[&str]| lab::mitmlab(&[&["ca", "--record", record.to_str().unwrap()], what].concat());
    assert!(of_record(&["roots"]).contains("BEGIN CERTIFICATE"));
    assert_eq!(of_record(&["pins", "cdn.ca-lab.test"]).lines().count(), 4, "two leaves, two issuers");
    assert_eq!(of_record(&["blocklist"]).lines().filter(|line| line.len() == 44).count(), 1);
    assert!(of_record(&["blocklist", "--as-of", "2019-08-20"]).is_empty());
    assert_eq!(of_record(&["blocklist", "--as-of", "2019-08-21"]).lines().filter(|line| !line.starts_with('#')).count(), 1);
    assert_eq!(of_record(&["blocklist", "--as-of", "2020-12-18"]).lines().filter(|line| !line.starts_with('#')).count(), 2);
    assert!(lab::mitmlab(&["ca", "roots"]).contains("fresh in every run"));
}

#[test]
fn the_pin_of_the_list_is_the_key_that_is_shown() {
    if lacks(&["curl", "openssl"]) {
        return;
    }
    let said = exec(
        r#"
        echo placeholder for the files: {pins} >/dev/null
        pin=$(mitmlab ca pins good.ca-lab.test | head -1)
        curl -sS --pinnedpubkey "sha256//$pin" -o /dev/null -w '%{http_code}\n' https://good.ca-lab.test/
        for turn in 1 2 3 4; do fetch cdn.ca-lab.test; openssl x509 -in leaf.pem -noout -issuer; done | sort | uniq -c
        "#,
    );
    assert!(said.contains("200"), "{said}");
    assert_eq!(said.matches("2 issuer=").count(), 2, "two networks in turn: {said}");
}
