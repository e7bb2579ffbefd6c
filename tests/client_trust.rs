//! Real clients in the surroundings that the lab prepares for them: each installed program accepts a root that its leg
//! states and refuses one that it does not state. What counts is what the server could decrypt, never an exit code.
//!
//! A program that is not installed is skipped, and the skip is printed. Everything happens on loopback.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mitmlab::client::{Feed, Ground, Kind, Outcome, PlainChild, Surroundings, TrustStore, Vars, fill, find, preset_for, watch};
use mitmlab::scenario::Trust;
use rustls_pki_types::CertificateDer;

#[path = "client_trust/world.rs"]
mod world;

use world::{HOST, Root, Server, proxy};

/// One client: what it is called here, its command line, its input.
struct Client {
    name: &'static str,
    argv: Vec<String>,
    feed: Feed,
}

fn clients() -> Vec<Client> {
    let client = |name, line: &str| Client { name, argv: line.split(' ').map(str::to_owned).collect(), feed: Feed::Nothing };
    let request = || Feed::Bytes(b"GET / HTTP/1.0\r\n\r\n".to_vec());
    let mut all = vec![
        client("curl", "curl -sS --max-time 10 {url}"),
        client("wget", "wget -q -O- --tries=1 --timeout=10 {url}"),
        client("python urllib", "/usr/bin/python3 {lab}/clients/get.py {url}"),
        client("python requests", "/usr/bin/python3 {lab}/clients/get_requests.py {url}"),
        client("python httpx", "/usr/bin/python3 {lab}/clients/get_httpx.py {url}"),
        client("python aiohttp", "/usr/bin/python3 {lab}/clients/get_aiohttp.py {url}"),
        client("node https", "node {lab}/clients/get.mjs {url}"),
        client("node fetch", "node {lab}/clients/fetch.mjs {url}"),
        client("java HttpsURLConnection", &format!("{} Get {{url}}", java())),
        client("java HttpClient", &format!("{} GetHttpClient {{url}}", java())),
        client("git", "git ls-remote {url}repo.git"),
        client("go", "go run {lab}/clients/go/get.go {url}"),
        client("ruby", "ruby {lab}/clients/get.rb {url}"),
        client("perl LWP", "perl {lab}/clients/get.pl {url}"),
        client("php streams", "php {lab}/clients/get.php {url}"),
        client("php curl", "php {lab}/clients/get_curl.php {url}"),
        client("aria2", "aria2c -q --allow-overwrite=true --max-tries=1 -d {ca}.d -o out {url}"),
        client("lynx", "lynx -source {url}"),
        client("pip", "/usr/bin/python3 -m pip download --retries 0 --no-deps -d {ca}.d -i {url} nothing"),
        client("npm", "npm ping --registry={url} --fetch-retries=0"),
    ];
    all.push(Client {
        feed: request(),
        ..client(
            "openssl s_client",
            "openssl s_client -quiet -verify_return_error -verify_hostname {host} -connect {host}:{port}",
        )
    });
    all.push(Client { feed: request(), ..client("gnutls-cli", "gnutls-cli --logfile=/dev/null -p {port} {host}") });
    all
}

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}

/// A quick start of Java on the lab's own programs, which are compiled once: run from their source they spend most of their time on that.
fn java() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| {
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client_trust_java");
        let sources = ["Get.java", "GetHttpClient.java", "Pinned.java"].map(|name| lab().join("clients/java").join(name));
        let mut javac = std::process::Command::new("javac");
        javac.args(QUICK.map(|option| format!("-J{option}"))).arg("-d").arg(&classes).args(sources);
        if let Ok(output) = javac.output() {
            assert!(output.status.success(), "{output:?}");
        }
        format!("java {} -cp {}", QUICK.join(" "), classes.display())
    });
    &LINE
}

/// True if the program and what it needs is installed. Each is looked for once.
async fn is_there(client: &Client) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<&'static str, bool>>> = LazyLock::new(Mutex::default);
    let known = KNOWN.lock().unwrap().get(client.name).copied();
    if let Some(there) = known {
        return there;
    }
    let there = look_for(client).await;
    KNOWN.lock().unwrap().insert(client.name, there);
    there
}

async fn look_for(client: &Client) -> bool {
    let module = ["requests", "httpx", "aiohttp", "pip"].into_iter().find(|m| client.name.ends_with(m));
    let check = match (client.name, module) {
        ("perl LWP", _) => Some(vec!["perl", "-MLWP::Protocol::https", "-e", "1"]),
        ("php curl", _) => Some(vec!["php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"]),
        (_, Some(module)) => Some(vec!["/usr/bin/python3", "-c", module]),
        _ => None,
    };
    let compiler = (client.argv[0] == "java").then_some("javac");
    if [client.argv[0].as_str()].into_iter().chain(compiler).any(|program| find(program, None).is_err()) {
        return false;
    }
    let Some(mut check) = check else { return true };
    let import = format!("import {}", check.last().unwrap());
    if check[1] == "-c" {
        check[2] = &import;
    }
    let mut command = tokio::process::Command::new(check[0]);
    command.args(&check[1..]);
    watch(PlainChild::start(command, Feed::Nothing).unwrap(), LIMIT).await.exit == Some(0)
}

async fn run(client: &Client, kind: &Kind, trust: Trust, store: &TrustStore, host: &str, port: u16) -> Outcome {
    let own: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let around = Surroundings::prepare(kind, trust, store, preset_for(&client.argv), &own);
    around.write_files().unwrap();
    let vars = Vars {
        url: Some(format!("https://{host}:{port}/")),
        host: Some(host.to_owned()),
        ca: Some(store.bundle.clone()),
        lab: Some(lab()),
        ..Vars::default()
    };
    let argv: Vec<String> = client.argv.iter().map(|a| a.replace("{port}", &port.to_string())).collect();
    let argv = around.complete(&fill(&argv, &vars).unwrap());
    let program = find(&argv[0], around.variable("PATH")).unwrap();
    let child = PlainChild::start(around.command(&program, &argv[1..]), client.feed.clone()).unwrap();
    watch(child, LIMIT).await
}

/// Both stores of a test: the authority's root installed, and not.
struct Stores {
    _dir: tempfile::TempDir,
    with: TrustStore,
    without: TrustStore,
    none: TrustStore,
    authority: Root,
}

impl Stores {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (web, authority) = (Root::new("Test Web Root"), Root::new("Qaznet-style  Test Root"));
        let write = |name: &str, trust| {
            let roots = [web.certificate.clone()];
            TrustStore::for_trust(&dir.path().join(name), trust, &roots, Some(&authority.certificate)).unwrap()
        };
        let (with, without, none) =
            (write("with", Trust::WebAuthority), write("without", Trust::Web), write("none", Trust::None));
        Self { with, without, none, authority, _dir: dir }
    }
}

/// What `work` says of every client that is installed, two at a time.
async fn each<T>(clients: Vec<Client>, work: impl AsyncFn(&Client) -> T) -> Vec<T> {
    let work = &work;
    let said = stream::iter(clients).map(|client| async move {
        if is_there(&client).await {
            return Some(work(&client).await);
        }
        println!("skipped: {} (not installed)", client.name);
        None
    });
    said.buffered(2).filter_map(async |said| said).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_installed_client_trusts_what_its_leg_states_and_nothing_else() {
    let stores = Stores::new();
    let legs = [(Trust::WebAuthority, &stores.with), (Trust::Web, &stores.without), (Trust::None, &stores.none)];
    let wrong = each(clients(), async |client| {
        let server = Server::start(&stores.authority).await;
        let (mut seen, mut wrong) = (Vec::new(), Vec::new());
        // An empty store reaches the second program of a runtime by the same variable as the first.
        let second = ["python requests", "python httpx", "python aiohttp", "node fetch", "java HttpClient", "php curl", "pip"];
        for (trust, store) in &legs[..if second.contains(&client.name) { 2 } else { 3 }] {
            let (trust, store) = (*trust, *store);
            let outcome = run(client, &Kind::Direct, trust, store, "localhost", server.port).await;
            let (accepted, contacted) = (server.accepted(), server.contacted());
            let word = if accepted { "accepted" } else { "refused" };
            seen.push(format!("{trust}: {word} (exit {:?}, {} ms)", outcome.exit, outcome.ms));
            if accepted != trust.has_authority() || !contacted || outcome.timed_out {
                wrong.push(format!("{} with {trust}: contacted={contacted} accepted={accepted} {outcome:?}", client.name));
            }
        }
        println!("{:24} {}", client.name, seen.join(" | "));
        wrong
    });
    let wrong = wrong.await;
    assert!(!wrong.is_empty(), "no client is installed");
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_reaches_the_clients_that_the_table_says_it_reaches() {
    let stores = Stores::new();
    let wrong = each(clients(), async |client| {
        let server = Server::start(&stores.authority).await;
        let (address, asked) = proxy(server.port).await;
        let by_argument = client.name == "python aiohttp" || client.name == "php streams"; // a library's own way, not the runtime's
        let expected = preset_for(&client.argv).passes_proxy_by(None).is_none() && !by_argument;
        let outcome = run(client, &Kind::Proxy { address }, Trust::WebAuthority, &stores.with, HOST, 443).await;
        let lines = std::mem::take(&mut *asked.lock().unwrap());
        let seen = lines.iter().any(|l| l.starts_with(&format!("CONNECT {HOST}:443 ")));
        let accepted = server.accepted();
        println!("{:24} through the proxy: {seen}, accepted: {accepted} (exit {:?}) {lines:?}", client.name, outcome.exit);
        (seen != expected).then(|| format!("{}: expected {expected} {lines:?} {outcome:?}", client.name))
    });
    let wrong: Vec<String> = wrong.await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn openssl_agrees_with_every_hashed_name() {
    let stores = Stores::new();
    let Ok(openssl) = find("openssl", None) else { return };
    let mut checked = 0;
    let system: Vec<PathBuf> = std::fs::read_dir("/etc/ssl/certs").into_iter().flatten().flatten().map(|e| e.path()).collect();
    // the machine's own directory is a table of some 140 real names and the hashes that OpenSSL gave them
    for path in system.iter().filter(|p| p.extension().is_some_and(|e| e == "0")) {
        let Ok(der) = <CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_file(path) else { continue };
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        let hash = mitmlab::client::trust::name::subject_hash(parsed.subject());
        assert_eq!(format!("{hash:08x}"), path.file_stem().unwrap().to_string_lossy(), "{}", parsed.subject());
        checked += 1;
    }
    for store in [&stores.with, &stores.without, &stores.none] {
        for entry in
            std::fs::read_dir(&store.hashed).unwrap().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "0"))
        {
            let mut command = tokio::process::Command::new(&openssl);
            command.args(["x509", "-noout", "-hash", "-in"]).arg(entry.path());
            let outcome = watch(PlainChild::start(command, Feed::Nothing).unwrap(), LIMIT).await;
            assert_eq!(outcome.stdout_head.trim(), entry.path().file_stem().unwrap().to_string_lossy());
            checked += 1;
        }
    }
    println!("{checked} names agree");
    assert!(checked >= 4);
}

#[tokio::test]
async fn keytool_reads_both_java_stores() {
    let stores = Stores::new();
    let Ok(keytool) = find("keytool", None) else { return };
    for file in [&stores.with.pkcs12, &stores.with.jks] {
        let mut command = tokio::process::Command::new(&keytool);
        command.args(["-list", "-storepass", "changeit", "-keystore"]).arg(file);
        let outcome = watch(PlainChild::start(command, Feed::Nothing).unwrap(), LIMIT).await;
        let entries = outcome.stdout_head.matches("trustedCertEntry").count();
        assert_eq!((outcome.exit, entries), (Some(0), 2), "{}: {outcome:?}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_programs_finish_the_handshake_and_send_nothing_to_another_key() {
    let stores = Stores::new();
    let server = Server::start(&stores.authority).await;
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let java_line = format!("{} Pinned {{url}}", java());
    let lines = [
        ("/usr/bin/python3 {lab}/clients/pinned.py {url}", "{pin}"),
        ("node {lab}/clients/pinned.mjs {url}", "{pin}"),
        (&java_line, "{pin}"),
        ("go run {lab}/clients/go-pinned/pinned.go {url}", "{pin}"),
        ("curl -sS {url} --pinnedpubkey", "sha256//{pin}"),
    ];
    for (line, last) in lines {
        for (pin, expected) in [(server.pin.as_str(), true), (other, false)] {
            let mut argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            argv.push(last.replace("{pin}", pin));
            let client = Client { name: "pinned", argv, feed: Feed::Nothing };
            if !look_for(&client).await {
                continue;
            }
            let outcome = run(&client, &Kind::Direct, Trust::WebAuthority, &stores.with, "localhost", server.port).await;
            println!("{line}: right pin {expected}, exit {:?}", outcome.exit);
            assert_eq!(server.accepted(), expected, "{line}: {outcome:?}");
            let code = if expected { 0 } else { 90 };
            assert!(outcome.exit == Some(code) || line.starts_with("go") && outcome.exit == Some(1), "{line}: {outcome:?}");
        }
    }
}

/// In a mount namespace of its own, with nothing but the overlays: no variable names the store.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlays_alone_reach_every_program_on_the_systems_store() {
    let stores = Stores::new();
    if !can_mount().await {
        println!("skipped: no user namespace here");
        return;
    }
    // node carries its own roots
    let on_the_systems = clients().into_iter().filter(|client| !["npm", "node https", "node fetch"].contains(&client.name));
    let wrong = each(on_the_systems.collect(), async |client| {
        let server = Server::start(&stores.authority).await;
        let mut wrong = Vec::new();
        for (trust, store) in [(Trust::WebAuthority, &stores.with), (Trust::Web, &stores.without)] {
            let outcome = run_overlaid(client, trust, store, server.port).await;
            let (accepted, contacted) = (server.accepted(), server.contacted());
            println!("{:24} {trust}: accepted {accepted} (exit {:?})", client.name, outcome.exit);
            if accepted != trust.has_authority() || !contacted {
                wrong.push(format!("{} with {trust}: contacted={contacted} accepted={accepted} {outcome:?}", client.name));
            }
        }
        wrong
    });
    let wrong = wrong.await.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a client with the overlays of the sealed network and without the variables that name the store.
#[cfg(target_os = "linux")]
async fn run_overlaid(client: &Client, trust: Trust, store: &TrustStore, port: u16) -> Outcome {
    let own: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let around = Surroundings::prepare(&Kind::Sealed(Ground::look(&own)), trust, store, preset_for(&client.argv), &own);
    assert_eq!(around.variable("JAVA_TOOL_OPTIONS"), None, "Java reads its overlay");
    let bare = around.env.iter().filter(|(n, _)| n == "HOME" || !around.set.iter().any(|s| s.name == *n)).cloned();
    let vars = Vars {
        url: Some(format!("https://localhost:{port}/")),
        host: Some("localhost".to_owned()),
        ca: Some(store.bundle.clone()),
        lab: Some(lab()),
        ..Vars::default()
    };
    let argv: Vec<String> = client.argv.iter().map(|a| a.replace("{port}", &port.to_string())).collect();
    let mut argv = fill(&argv, &vars).unwrap();
    if client.name == "chromium" {
        argv = around.complete(&argv);
    }
    let mut command = tokio::process::Command::new("unshare");
    command.env_clear().envs(bare).args(["-rm", "/bin/sh", "-ec", MOUNT, "sh"]);
    for overlay in &around.overlays {
        command.arg(&overlay.source).arg(&overlay.target);
    }
    command.arg("--").args(argv);
    watch(PlainChild::start(command, client.feed.clone()).unwrap(), LIMIT).await
}

#[cfg(target_os = "linux")]
async fn can_mount() -> bool {
    let mut command = tokio::process::Command::new("unshare");
    command.args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]);
    match PlainChild::start(command, Feed::Nothing) {
        Ok(child) => watch(child, LIMIT).await.exit == Some(0),
        Err(_) => false,
    }
}

fn chromium() -> Client {
    let argv = ["chromium", "--headless", "--disable-gpu", "--dump-dom", "{url}"].map(str::to_owned).to_vec();
    Client { name: "chromium", argv, feed: Feed::Nothing }
}

/// Chromium reads no bundle: a new home with an NSS database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_trusts_its_home() {
    let mut stores = Stores::new();
    let server = Server::start(&stores.authority).await;
    if find("chromium", None).is_err() || !stores.with.write_nss().await.unwrap() || !stores.without.write_nss().await.unwrap() {
        println!("skipped: chromium or certutil is not installed");
        return;
    }
    for (trust, store) in [(Trust::WebAuthority, &stores.with), (Trust::Web, &stores.without)] {
        let outcome = run(&chromium(), &Kind::Direct, trust, store, "localhost", server.port).await;
        let (accepted, contacted) = (server.accepted(), server.contacted());
        println!("chromium {trust}: accepted {accepted} (exit {:?}, {} ms)", outcome.exit, outcome.ms);
        assert_eq!((accepted, contacted), (trust.has_authority(), true), "{outcome:?}");
    }
}

/// Its proxy comes as an argument; its own background traffic asks for other hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_goes_through_the_proxy() {
    let mut stores = Stores::new();
    let server = Server::start(&stores.authority).await;
    let (address, asked) = proxy(server.port).await;
    if find("chromium", None).is_err() || !stores.with.write_nss().await.unwrap() {
        println!("skipped: chromium or certutil is not installed");
        return;
    }
    let outcome = run(&chromium(), &Kind::Proxy { address }, Trust::WebAuthority, &stores.with, HOST, 443).await;
    println!("chromium asked the proxy for {:?}", asked.lock().unwrap());
    assert!(asked.lock().unwrap().iter().any(|l| l.contains(HOST)), "{outcome:?}");
    assert!(server.accepted(), "{outcome:?}");
}

/// A client that asked for it dies with the thread that started it, even when nobody is left to kill it.
#[cfg(target_os = "linux")]
#[test]
fn a_client_can_be_made_to_die_with_the_lab() {
    if std::env::var_os("MITMLAB_TEST_BECOME").is_some() {
        let argv = ["/bin/sh", "-c", "sleep 60"].map(OsString::from);
        panic!("{}", mitmlab::client::run::become_client(&argv, std::os::unix::process::parent_id()));
    }
    let this = std::env::current_exe().unwrap();
    let started = std::thread::spawn(move || {
        let mut command = std::process::Command::new(this);
        command.args(["--exact", "a_client_can_be_made_to_die_with_the_lab", "--nocapture"]).env("MITMLAB_TEST_BECOME", "1");
        let child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let name = format!("/proc/{}/comm", child.id());
        let deadline = std::time::Instant::now() + LIMIT;
        // the thread ends, as the lab's does at SIGKILL, once the program has become the client
        while std::fs::read_to_string(&name).unwrap().trim() != "sh" && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        child
    });
    let mut child = started.join().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

/// Without a database, by policy alone; and a root that the policy distrusts is refused though it is installed.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_trusts_and_distrusts_by_its_policy() {
    let stores = Stores::new();
    let server = Server::start(&stores.authority).await;
    if find("chromium", None).is_err() || !can_mount().await {
        println!("skipped: chromium is not installed, or no user namespace here");
        return;
    }
    for (trust, store, expected) in [
        (Trust::WebAuthority, &stores.with, true),
        (Trust::Web, &stores.without, false),
        (Trust::WebAuthorityBlocklist, &stores.with, false),
    ] {
        let outcome = run_overlaid(&chromium(), trust, store, server.port).await;
        let (accepted, contacted) = (server.accepted(), server.contacted());
        println!(
            "chromium by policy, {trust}: accepted {accepted} (exit {:?}) {}",
            outcome.exit,
            outcome.stderr_tail.replace('\n', " | ")
        );
        assert_eq!((accepted, contacted), (expected, true), "{trust}: {outcome:?}");
    }
}

/// Pairs of source and target up to `--`, then the client.
const MOUNT: &str = r#"while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@""#;

const LIMIT: Duration = Duration::from_secs(60);
/// Options of a Java that starts quickly and ends soon.
const QUICK: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
