//! Real mail clients, each as careful and as careless as its settings allow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A client with its settings.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// The program that must be here.
    pub(crate) needs: &'static str,
    /// What else it needs is here.
    pub(crate) ready: bool,
    pub(crate) url: &'static str,
    pub(crate) command: Vec<String>,
}

const SMTP: &str = "smtp://smtp.example.org/";
const IMAP: &str = "imap://imap.example.org/INBOX;MAILINDEX=1";
const POP3: &str = "pop3://pop.example.org/1";
const SMTPS: &str = "smtps://smtp.example.org/";
const IMAPS: &str = "imaps://imap.example.org/INBOX;MAILINDEX=1";
const POP3S: &str = "pop3s://pop.example.org/1";

/// All of them; what they need is put into `folder`.
pub(crate) fn clients(folder: &Path) -> Vec<Client> {
    let letter = folder.join("letter.eml");
    let text = "From: alice@smtp.example.org\r\nTo: bob@smtp.example.org\r\nSubject: table\r\n\r\nhello\r\n";
    std::fs::write(&letter, text).expect("written");
    [curl(&letter.to_string_lossy()), python(), swaks(), openssl(), nodemailer()].into_iter().flatten().collect()
}

fn client(name: &'static str, needs: &'static str, url: &'static str, command: &[&str]) -> Client {
    Client { name, needs, ready: true, url, command: command.iter().map(|word| (*word).to_owned()).collect() }
}

fn curl(letter: &str) -> Vec<Client> {
    let get = |name, url, more: &[&str]| {
        client(name, "curl", url, &[&["curl", "-sS", "-o", "/dev/null", "--user", "bob:hatstand", "{url}"], more].concat())
    };
    let send = |name, url, more: &[&str]| {
        let send = [
            "curl",
            "-sS",
            "--user",
            "alice:wonderland",
            "--mail-from",
            "alice@a.test",
            "--mail-rcpt",
            "bob@a.test",
            "-T",
            letter,
            "{url}",
        ];
        client(name, "curl", url, &[&send[..], more].concat())
    };
    vec![
        send("curl smtp", SMTP, &[]),
        send("curl smtp --ssl", SMTP, &["--ssl"]),
        send("curl smtp --ssl-reqd", SMTP, &["--ssl-reqd"]),
        send("curl smtp --ssl -k", SMTP, &["--ssl", "-k"]),
        get("curl imap", IMAP, &[]),
        get("curl imap --ssl", IMAP, &["--ssl"]),
        get("curl imap --ssl-reqd", IMAP, &["--ssl-reqd"]),
        get("curl pop3", POP3, &[]),
        get("curl pop3 --ssl", POP3, &["--ssl"]),
        get("curl pop3 --ssl-reqd", POP3, &["--ssl-reqd"]),
        send("curl smtps", SMTPS, &[]),
        send("curl smtps -k", SMTPS, &["-k"]),
        get("curl imaps", IMAPS, &[]),
        get("curl imaps -k", IMAPS, &["-k"]),
        get("curl pop3s", POP3S, &[]),
    ]
}

fn python() -> Vec<Client> {
    let run = |name, url, code: &str| client(name, "python3", url, &["python3", "-c", code]);
    vec![
        run(
            "smtplib starttls, checked",
            SMTP,
            "import smtplib, ssl; s = smtplib.SMTP('{host}'); s.starttls(context=ssl.create_default_context()); s.login('alice', 'wonderland'); s.quit()",
        ),
        run(
            "smtplib starttls if offered",
            SMTP,
            "import smtplib; s = smtplib.SMTP('{host}'); s.ehlo(); s.has_extn('starttls') and s.starttls(); s.login('alice', 'wonderland'); s.quit()",
        ),
        run(
            "imaplib starttls, checked",
            IMAP,
            "import imaplib, ssl; m = imaplib.IMAP4('{host}'); m.starttls(ssl.create_default_context()); m.login('bob', 'hatstand'); m.logout()",
        ),
        run(
            "imaplib starttls if offered",
            IMAP,
            "import imaplib; m = imaplib.IMAP4('{host}'); 'STARTTLS' in m.capabilities and m.starttls(); m.login('bob', 'hatstand'); m.logout()",
        ),
        run(
            "poplib stls, checked",
            POP3,
            "import poplib, ssl; p = poplib.POP3('{host}'); p.stls(context=ssl.create_default_context()); p.user('bob'); p.pass_('hatstand'); p.quit()",
        ),
        run(
            "poplib stls if offered",
            POP3,
            "import poplib; p = poplib.POP3('{host}'); 'STLS' in p.capa() and p.stls(); p.user('bob'); p.pass_('hatstand'); p.quit()",
        ),
        run(
            "smtplib SMTP_SSL, checked",
            SMTPS,
            "import smtplib, ssl; s = smtplib.SMTP_SSL('{host}', context=ssl.create_default_context()); s.login('alice', 'wonderland'); s.quit()",
        ),
        run(
            "imaplib IMAP4_SSL as it comes",
            IMAPS,
            "import imaplib; m = imaplib.IMAP4_SSL('{host}'); m.login('bob', 'hatstand'); m.logout()",
        ),
        run(
            "poplib POP3_SSL, checked",
            POP3S,
            "import poplib, ssl; p = poplib.POP3_SSL('{host}', context=ssl.create_default_context()); p.user('bob'); p.pass_('hatstand'); p.quit()",
        ),
    ]
}

fn swaks() -> Vec<Client> {
    let run = |name, url, tls: &[&str]| {
        let all = [
            "swaks",
            "--silent",
            "3",
            "--server",
            "{host}",
            "--to",
            "bob@{host}",
            "--from",
            "alice@{host}",
            "--auth",
            "PLAIN",
            "--auth-user",
            "alice",
            "--auth-password",
            "wonderland",
        ];
        client(name, "swaks", url, &[&all[..], tls].concat())
    };
    vec![
        run("swaks --tls", SMTP, &["--tls"]),
        run("swaks --tls --tls-verify", SMTP, &["--tls", "--tls-verify"]),
        run("swaks --tls-optional", SMTP, &["--tls-optional"]),
        run("swaks --tlsc", SMTPS, &["--tlsc", "--tls-sni", "{host}"]),
    ]
}

fn openssl() -> Vec<Client> {
    let run = |name, url, protocol: &str, command: &str| {
        let line = format!(
            "printf '{command}' | exec openssl s_client -starttls {protocol} -connect \"$0\" -servername \"${{0%:*}}\" \
             -verify_return_error -verify_hostname \"${{0%:*}}\" -quiet"
        );
        let port = match protocol {
            "smtp" => "{host}:25",
            "imap" => "{host}:143",
            _ => "{host}:110",
        };
        client(name, "openssl", url, &["sh", "-c", &line, port])
    };
    vec![
        run("openssl -starttls smtp", SMTP, "smtp", r"EHLO me\r\nAUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\nQUIT\r\n"),
        run("openssl -starttls imap", IMAP, "imap", r"a LOGIN bob hatstand\r\nb LOGOUT\r\n"),
        run("openssl -starttls pop3", POP3, "pop3", r"USER bob\r\nPASS hatstand\r\nQUIT\r\n"),
    ]
}

fn nodemailer() -> Vec<Client> {
    let module = module();
    let run = |name, url, more: &str| {
        let path = module.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let code = format!(
            "require('{path}').createTransport({{host:'{{host}}',auth:{{user:'alice',pass:'wonderland'}}{more}}})\
             .sendMail({{from:'alice@a.test',to:'bob@a.test',subject:'x',text:'hello'}}).catch(e => {{ console.error(e); process.exit(1) }})"
        );
        Client { ready: module.is_some(), ..client(name, "node", url, &["node", "-e", &code]) }
    };
    vec![
        run("nodemailer", SMTP, ",port:25"),
        run("nodemailer requireTLS", SMTP, ",port:25,requireTLS:true"),
        run("nodemailer rejectUnauthorized: false", SMTP, ",port:25,tls:{rejectUnauthorized:false}"),
        run("nodemailer secure", SMTPS, ",port:465,secure:true"),
    ]
}

/// nodemailer, fetched once for a build folder by npm.
fn module() -> Option<PathBuf> {
    static MODULE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = MODULE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
        let module = folder.join("node_modules/nodemailer");
        if !module.join("package.json").is_file() {
            std::fs::create_dir_all(&folder).ok()?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", NODEMAILER]).current_dir(&folder);
            npm.output().ok()?;
        }
        module.join("package.json").is_file().then_some(module)
    });
    if found.is_none() {
        eprintln!("skipped: `npm install {NODEMAILER}` did not work");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{NODEMAILER} is missing");
    }
    found.clone()
}

/// A mail library without dependencies.
const NODEMAILER: &str = "nodemailer@10.6.1";
