//! The table: what each client set-up did in each case. Every bad one is caught at the right cases, no good one is accused.
//!
//! `MITMLAB_BLESS=1 cargo test --test verify setups` writes the table anew; `MITMLAB_FULL_MATRIX=1` runs every case instead and prints
//! the table, judging by what each set-up is known to be.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mitmlab::verdict::verify::{Agreement, Answer, VerifyCase};

use super::{report, root, there};

/// A client set-up, what it is, and what it needs.
struct Setup {
    name: &'static str,
    /// What is wrong with it: nothing, or the cases that must catch it (of those in [`CASES`]).
    wrong: Wrong,
    words: &'static [&'static str],
    client: Vec<String>,
    needs: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// It verifies nothing.
    Everything,
    /// It verifies no chain, and does check the name.
    Chains,
    /// It checks no name.
    Names,
    /// It never sends a byte, so that nothing can be said.
    Mute,
}

/// What is run of the suite in every CI: a good server, and what careless clients are careless about.
const CASES: &str = "genuine,untrusted-root,wrong-host,other-authority";

fn setups(built: &Built) -> Vec<Setup> {
    use Wrong::{Chains, Everything, Mute, Names, Nothing};
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let careless = path(root().join("tests/verify/clients/careless.py"));
    let classes = path(built.folder.clone());
    let go = |name: &str| path(built.folder.join(name));
    let of = |name, wrong, words, client: &[&str], needs| Setup {
        name,
        wrong,
        words,
        client: client.iter().map(|word| (*word).to_owned()).collect(),
        needs,
    };
    let plain: &[&str] = &[];
    let pinned: &[&str] = &["--pinned"];
    let node_any_host =
        "require('https').get(process.argv[1], { checkServerIdentity: () => undefined }, (answer) => answer.resume())";
    let php_careless = "stream_context_set_default(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]); \
                        echo strlen(file_get_contents($argv[1]));";
    let ruby_careless = "u = URI(ARGV[0]); Net::HTTP.start(u.host, u.port, use_ssl: true, verify_mode: OpenSSL::SSL::VERIFY_NONE) \
                         { |h| puts h.get('/').code }";
    let perl_careless = "my $s = IO::Socket::SSL->new(PeerAddr => $ARGV[0], PeerPort => 443, SSL_hostname => $ARGV[0], SSL_verify_mode => 0) \
                         or die; print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; print <$s>;";
    let s_client = |options: &str| {
        format!(
            "(printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1) | openssl s_client -quiet {options} -connect {{host}}:443 -servername {{host}}"
        )
    };
    let (careful, lax) = (s_client("-verify_return_error -verify_hostname {host}"), s_client(""));
    vec![
        of("curl", Nothing, plain, &["curl", "-sS", "-o", "/dev/null", "{url}"], &["curl"]),
        of("curl -k", Everything, plain, &["curl", "-k", "-sS", "-o", "/dev/null", "{url}"], &["curl"]),
        of(
            "curl, pinned",
            Nothing,
            pinned,
            &["curl", "-sS", "-o", "/dev/null", "--pinnedpubkey", "sha256//{pin}", "{url}"],
            &["curl"],
        ),
        of("curl -k, pinned", Everything, pinned, &["curl", "-k", "-sS", "-o", "/dev/null", "{url}"], &["curl"]),
        of("the lab's client", Nothing, plain, &["mitmlab", "client", "{url}"], &[]),
        of("the lab's client, pinned", Nothing, pinned, &["mitmlab", "client", "{url}", "--pin", "{pin}"], &[]),
        of("wget", Nothing, plain, &["wget", "-q", "-O", "/dev/null", "--tries=1", "{url}"], &["wget"]),
        of(
            "wget --no-check-certificate",
            Everything,
            plain,
            &["wget", "--no-check-certificate", "-q", "-O", "/dev/null", "--tries=1", "{url}"],
            &["wget"],
        ),
        of("git", Nothing, plain, &["git", "ls-remote", "{url}"], &["git"]),
        of("git, sslVerify=false", Everything, plain, &["git", "-c", "http.sslVerify=false", "ls-remote", "{url}"], &["git"]),
        of("openssl s_client, careful", Nothing, plain, &["sh", "-c", &careful], &["openssl"]),
        of("openssl s_client", Everything, plain, &["sh", "-c", &lax], &["openssl"]),
        of(
            "openssl s_client, mute",
            Mute,
            plain,
            &["openssl", "s_client", "-connect", "{host}:443", "-servername", "{host}"],
            &["openssl"],
        ),
        of("python", Nothing, plain, &["python3", "{lab}/clients/get.py", "{url}"], &["python3"]),
        of("python, pinned", Nothing, pinned, &["python3", "{lab}/clients/pinned.py", "{url}", "{pin}"], &["python3"]),
        of("python, any host", Names, plain, &["/usr/bin/python3", &careless, "any-host", "{url}"], &["/usr/bin/python3"]),
        of(
            "python, fails open",
            Everything,
            plain,
            &["/usr/bin/python3", &careless, "ignores-errors", "{url}"],
            &["/usr/bin/python3"],
        ),
        of("requests", Nothing, plain, &["/usr/bin/python3", "{lab}/clients/get_requests.py", "{url}"], &["/usr/bin/python3"]),
        of(
            "requests, verify=False",
            Everything,
            plain,
            &["/usr/bin/python3", &careless, "requests", "{url}"],
            &["/usr/bin/python3"],
        ),
        of("node", Nothing, plain, &["node", "{lab}/clients/get.mjs", "{url}"], &["node"]),
        of(
            "node, REJECT_UNAUTHORIZED=0",
            Everything,
            plain,
            &["env", "NODE_TLS_REJECT_UNAUTHORIZED=0", "node", "{lab}/clients/get.mjs", "{url}"],
            &["node"],
        ),
        of("node, any host", Names, plain, &["node", "-e", node_any_host, "{url}"], &["node"]),
        of(
            "java",
            Nothing,
            plain,
            &["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", &classes, "Get", "{url}"],
            &["java", "javac"],
        ),
        of(
            "java, any host",
            Names,
            plain,
            &["java", "-XX:TieredStopAtLevel=1", "-cp", &classes, "Careless", "any-host", "{url}"],
            &["java", "javac"],
        ),
        of(
            "java, trusts all",
            Chains,
            plain,
            &["java", "-XX:TieredStopAtLevel=1", "-cp", &classes, "Careless", "trust-all", "{url}"],
            &["java", "javac"],
        ),
        of("go", Nothing, plain, &[&go("get"), "{url}"], &["go"]),
        of("go, InsecureSkipVerify", Everything, plain, &[&go("careless"), "{url}"], &["go"]),
        of("php", Nothing, plain, &["php", "{lab}/clients/get.php", "{url}"], &["php"]),
        of("php, verify_peer=false", Everything, plain, &["php", "-r", php_careless, "{url}"], &["php"]),
        of("ruby", Nothing, plain, &["ruby", "{lab}/clients/get.rb", "{url}"], &["ruby"]),
        of("ruby, VERIFY_NONE", Everything, plain, &["ruby", "-rnet/http", "-e", ruby_careless, "{url}"], &["ruby"]),
        of("perl", Nothing, plain, &["perl", "{lab}/clients/get.pl", "{url}"], &["perl"]),
        of("perl, SSL_VERIFY_NONE", Everything, plain, &["perl", "-MIO::Socket::SSL", "-e", perl_careless, "{host}"], &["perl"]),
    ]
}

#[test]
fn every_bad_client_is_caught_and_no_good_one_is_accused() {
    let whole = std::env::var_os("MITMLAB_FULL_MATRIX").is_some();
    let built = Built::make();
    let setups = setups(&built);
    assert!(setups.len() >= 20);
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(vec![None; setups.len()]));
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                while let Some((at, setup)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, setups.get(at)?)))
                {
                    if setup.needs.iter().all(|program| there(program)) {
                        let row = ran(setup, whole);
                        rows.lock().expect("no thread panicked")[at] = Some(row);
                    }
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no thread panicked");
    let run: Vec<_> = setups.iter().zip(&rows).filter_map(|(setup, row)| Some((setup, row.as_ref()?))).collect();
    let wrong: Vec<String> = run.iter().flat_map(|(setup, cases)| judged(setup, cases)).collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), table(&run));
    if whole {
        println!("{}", table(&run));
    } else {
        same_as_before(&run);
    }
}

fn ran(setup: &Setup, whole: bool) -> Vec<VerifyCase> {
    let only: &[&str] = if whole { &[] } else { &["--only", CASES] };
    let client: Vec<&str> = setup.client.iter().map(String::as_str).collect();
    let (report, code) = report(&[setup.words, only, &["--jobs", "2", "--deadline", "20"]].concat(), &client);
    let expected = match setup.wrong {
        Wrong::Nothing => 0,
        Wrong::Everything | Wrong::Chains | Wrong::Names => 1,
        Wrong::Mute => 3,
    };
    assert_eq!(
        code,
        expected,
        "{}: {:#?}",
        setup.name,
        report.cases.iter().map(|c| (&c.name, c.answer, &c.signal)).collect::<Vec<_>>()
    );
    report.cases
}

/// A copied certificate without its key is found out by every TLS library, whatever it is told not to verify.
fn should_refuse(case: &VerifyCase) -> bool {
    case.must == mitmlab::scenario::Must::Refuse && case.agrees != Agreement::NotRun && case.name != "replaced-key"
}

/// What is not as it should be with a set-up that is what it is.
fn judged(setup: &Setup, cases: &[VerifyCase]) -> Vec<String> {
    let exposed = |case: &VerifyCase| case.answer == Answer::Exposed && case.agrees == Agreement::No;
    let should = |case: &VerifyCase| match setup.wrong {
        Wrong::Nothing => false,
        Wrong::Everything => should_refuse(case),
        Wrong::Chains => should_refuse(case) && case.name != "wrong-host",
        Wrong::Names => case.name == "wrong-host",
        Wrong::Mute => false,
    };
    let told = |case: &&VerifyCase| format!("{} at {}: {} ({})", setup.name, case.name, case.answer.as_str(), case.signal);
    cases.iter().filter(|case| exposed(case) != should(case)).map(|case| told(&case)).collect()
}

fn table(run: &[(&Setup, &Vec<VerifyCase>)]) -> String {
    let mut out = String::new();
    let names: Vec<&str> = run.first().map(|(_, cases)| cases.iter().map(|c| c.name.as_str()).collect()).unwrap_or_default();
    let _ = writeln!(out, "{:30}{}", "client", names.iter().map(|name| format!("  {name:15}")).collect::<String>().trim_end());
    for (setup, cases) in run {
        let cells: String = cases.iter().map(|case| format!("  {:15}", case.answer.as_str())).collect();
        let _ = writeln!(out, "{:30}{}", setup.name, cells.trim_end());
    }
    out
}

/// Row by row, so that a machine without some of the programs compares the others.
fn same_as_before(run: &[(&Setup, &Vec<VerifyCase>)]) {
    let file = root().join("tests/verify/setups.txt");
    let now = table(run);
    if std::env::var_os("MITMLAB_BLESS").is_some() {
        std::fs::write(&file, &now).expect("the table can be written");
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let changed: Vec<&str> = now.lines().filter(|line| !before.lines().any(|known| known == *line)).collect();
    assert!(changed.is_empty(), "other than in {}:\n{}", file.display(), changed.join("\n"));
}

/// Clients that are compiled once.
struct Built {
    folder: PathBuf,
}

impl Built {
    /// Compiles what there are compilers for; what is missing fails later, by name.
    fn make() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("verify");
        std::fs::create_dir_all(&folder).expect("a folder");
        let own = root().join("tests/verify/clients");
        let lab = root().join("lab/clients");
        for (class, source) in [("Careless", own.join("Careless.java")), ("Get", lab.join("java/Get.java"))] {
            let mut javac = Command::new("javac");
            javac.arg("-d").arg(&folder).arg(&source);
            unless_newer(&folder.join(class).with_extension("class"), &source, javac);
        }
        for (name, source) in [("careless", own.join("careless.go")), ("get", lab.join("go/get.go"))] {
            let mut go = Command::new("go");
            go.args(["build", "-o"]).arg(folder.join(name)).arg(&source);
            unless_newer(&folder.join(name), &source, go);
        }
        Self { folder }
    }
}

fn unless_newer(made: &std::path::Path, source: &std::path::Path, mut compiler: Command) {
    let changed = |path: &std::path::Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    if changed(made) > changed(source) {
        return;
    }
    if let Ok(output) = compiler.output() {
        assert!(output.status.success(), "{compiler:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Set-ups that are run at a time.
const ABREAST: usize = 3;
