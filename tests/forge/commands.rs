//! The commands of the forger: what they print, and that their errors say what to do.

use std::path::PathBuf;

use mitmlab::x509::pem;
use time::macros::datetime;

use crate::genuine::Public;
use crate::odd;

#[test]
fn the_commands_answer_and_their_errors_say_what_to_do() {
    use mitmlab::cli;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let genuine = Public::new().ev_2019();
    let whole = at("genuine.pem", pem::write(&genuine).as_bytes());
    let forge = |genuine: PathBuf, profile: &str, explain: bool| {
        let arguments = cli::forge::ForgeArgs {
            profile: profile.into(),
            genuine,
            sni: None,
            at: Some(datetime!(2019-07-22 0:00 UTC)),
            explain,
            with_root: true,
        };
        let mut out = Vec::new();
        cli::forge::run(&arguments, &mut out).map(|code| (code, String::from_utf8(out).unwrap())).map_err(|e| format!("{e:#}"))
    };
    assert_eq!(forge(whole.clone(), "blind", false).unwrap().0, 0, "by its name");
    // The recipe of 2019 with keys that are made at once.
    let quick =
        include_str!("../../certs/qaznet-2019.toml").replace("\"rsa-4096\"", "\"p256\"").replace("\"rsa-2048\"", "\"p256\"");
    let quick = at("quick.toml", quick.as_bytes()).display().to_string();
    let (code, chain) = forge(whole.clone(), &quick, false).unwrap();
    assert_eq!((code, chain.matches("BEGIN CERTIFICATE").count()), (0, 3));
    let (_, table) = forge(whole.clone(), &quick, true).unwrap();
    assert!(table.contains("genuine plus a random 32-bit number") && table.contains("not evidence-based"), "{table}");

    let big = odd::all().into_iter().find(|(name, _)| *name == "one-mebibyte-extension").unwrap().1;
    assert!(forge(at("big.der", &big), &quick, false).is_ok(), "what the profile leaves out may be as long as it likes");
    for (file, profile, says) in [
        (folder.path().join("missing.pem"), "qaznet-2019", "cannot read"),
        (at("text.pem", b"hello"), "qaznet-2019", "no certificate in"),
        (at("cut.der", &genuine[..200]), "qaznet-2019", "cut short"),
        (at("cut.pem", &pem::write(&genuine).as_bytes()[..300]), "qaznet-2019", "is damaged: it ends before"),
        (at("no.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "qaznet-2019", "certificate 1 in"),
        (at("huge.pem", &vec![b'x'; 9 << 20]), "qaznet-2019", "not read"),
        (whole.clone(), "qaznet-2018", "no profile `qaznet-2018`"),
    ] {
        let error = forge(file, profile, false).unwrap_err();
        assert!(error.contains(says), "{error}");
    }

    let compare = |a: &std::path::Path, b: &std::path::Path| {
        let command = cli::cert::CertCommand::Diff { a: a.into(), b: b.into(), json: false, only_differences: true };
        cli::cert::run(&cli::cert::CertArgs { command }, &mut Vec::new()).unwrap()
    };
    let forged = at("forged.pem", chain.as_bytes());
    assert_eq!((compare(&whole, &whole), compare(&whole, &forged)), (0, 1));
    let mut listed = Vec::new();
    let check = cli::profile::ProfileArgs { command: cli::profile::ProfileCommand::Check { file: None } };
    cli::profile::run(&check, &mut listed).unwrap();
    let check = |file: PathBuf| {
        let command = cli::profile::ProfileCommand::Check { file: Some(file) };
        cli::profile::run(&cli::profile::ProfileArgs { command }, &mut Vec::new()).map_err(|error| error.to_string())
    };
    assert_eq!((check("mirror".into()), check(quick.into())), (Ok(0), Ok(0)), "by a name, by a path");
    assert!(check("murror".into()).unwrap_err().contains("no profile `murror`"));
    let zeros = check(at("zeros", &[0; 100_000])).unwrap_err();
    assert!(zeros.len() < 1_000, "{zeros}");
    insta::assert_snapshot!("profile_check", String::from_utf8(listed).unwrap());
}
