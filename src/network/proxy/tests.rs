//! Real clients through the front door, and bytes that no client should send.

use std::process::{Output, Stdio};

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::*;

/// What the proxy was asked, or what it made of something else.
type Heard = mpsc::UnboundedReceiver<Result<(Kind, String), ProxyError>>;

/// A proxy whose every name leads to one origin, except `unknown.test` and `forbidden.test`. The origin answers with what it read.
async fn lab() -> (String, Heard) {
    let origin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (origin_address, address) = (origin.local_addr().expect("bound"), proxy.local_addr().expect("bound"));
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = origin.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = proxy.accept().await {
            tokio::spawn(serve(stream, origin_address, tell.clone()));
        }
    });
    (address.to_string(), heard)
}

async fn serve(stream: TcpStream, origin: std::net::SocketAddr, tell: mpsc::UnboundedSender<Result<(Kind, String), ProxyError>>) {
    let asked = match accept(stream, Instant::now() + Duration::from_secs(3)).await {
        Ok(asked) => asked,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let _ = tell.send(Ok((asked.kind, asked.target.to_string())));
    match asked.target.host.name() {
        Some("unknown.test") => asked.pending.refuse(Refusal::UnknownHost).await,
        Some("forbidden.test") => asked.pending.refuse(Refusal::NotAllowed { rule: "lab-only".into() }).await,
        _ => {
            let mut upstream = TcpStream::connect(origin).await.expect("the origin");
            let mut client = asked.pending.grant().await.expect("granted");
            let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
        }
    }
}

/// Answers each request with its own bytes, until one says `Connection: close` or `Upgrade`.
async fn echo(mut stream: TcpStream) -> Option<()> {
    let mut got = Vec::new();
    loop {
        let length = loop {
            if let Some(length) = request_length(&got).filter(|&length| got.len() >= length) {
                break length;
            }
            if stream.read_buf(&mut got).await.ok()? == 0 {
                return None;
            }
        };
        let request: Vec<u8> = got.drain(..length).collect();
        let says = |field: &[u8]| request.windows(field.len()).any(|w| w == field);
        let closes = says(b"Connection: close") || says(b"Connection: Upgrade");
        let field = if closes { "Connection: close\r\n" } else { "" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{field}Content-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &request].concat()).await.ok()?;
        if closes {
            return stream.shutdown().await.ok();
        }
    }
}

fn request_length(got: &[u8]) -> Option<usize> {
    let head = got.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&got[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
    Some(head + body.unwrap_or(0))
}

/// Runs a client; nothing if it is not installed.
async fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(Duration::from_secs(30), command.output()).await {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: no `{program}` here");
            None
        }
        ended => Some(ended.expect("it ended in time").expect("it was started")),
    }
}

async fn curl(arguments: &[&str]) -> Option<(i32, String)> {
    let output = run("curl", &[&["-sS", "--max-time", "20"], arguments].concat(), &[]).await?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned()))
}

async fn next(heard: &mut Heard) -> Result<(Kind, String), ProxyError> {
    tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("in time").expect("the proxy lives")
}

/// What the proxy answers to these bytes, and what it heard.
async fn say(bytes: &[u8]) -> (String, Result<(Kind, String), ProxyError>) {
    let (address, mut heard) = lab().await;
    let mut stream = TcpStream::connect(address).await.expect("the proxy");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    reading.await.expect("an end in time").expect("no reset");
    drop(stream);
    (answer.escape_ascii().to_string(), next(&mut heard).await)
}

#[tokio::test]
async fn curl_asks_for_a_plain_page() {
    let (proxy, mut heard) = lab().await;
    let Some((code, text)) =
        curl(&["-x", &format!("http://{proxy}"), "-H", "X-Odd:  Kept ", "-A", "agent", "http://A.test/x?y"]).await
    else {
        return;
    };
    assert_eq!((code, next(&mut heard).await.ok()), (0, Some((Kind::Absolute, "a.test:80".into()))));
    assert_eq!(
        text,
        "GET /x?y HTTP/1.1\r\nHost: A.test\r\nUser-Agent: agent\r\nAccept: */*\r\nX-Odd:  Kept \r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn curl_posts_a_body_and_asks_two_hosts() {
    let (proxy, mut heard) = lab().await;
    let body = "b".repeat(300_000);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &body).expect("written");
    let data = format!("@{}", file.path().display());
    let arguments = ["-x", &format!("http://{proxy}"), "--data-binary", &data, "http://a.test:8080/", "http://b.test/"];
    let Some((code, text)) = curl(&arguments).await else { return };
    assert_eq!((code, text.matches(&body).count()), (0, 2));
    assert!(text.contains("Host: a.test:8080\r\n") && text.contains("Host: b.test\r\n"));
    let asked = [next(&mut heard).await.ok(), next(&mut heard).await.ok()];
    assert_eq!(asked.map(|a| a.map(|(_, target)| target)), [Some("a.test:8080".into()), Some("b.test:80".into())]);
}

#[tokio::test]
async fn curl_opens_tunnels() {
    let (proxy, mut heard) = lab().await;
    let (http, socks) = (format!("http://{proxy}"), format!("socks5h://{proxy}"));
    for (url, target) in [("http://a.test/", "a.test:80"), ("http://[2001:db8::1]:8080/", "[2001:db8::1]:8080")] {
        for (arguments, kind) in [(vec!["-p", "-x", &http, url], Kind::Connect), (vec!["-x", &socks, url], Kind::Socks5)] {
            let Some((code, text)) = curl(&arguments).await else { return };
            assert_eq!((code, next(&mut heard).await.ok()), (0, Some((kind, target.into()))));
            assert!(text.starts_with("GET / HTTP/1.1\r\n") && !text.contains("Connection: close"), "{text}");
        }
    }
    let Some((code, _)) = curl(&["--socks5", &proxy, "http://192.0.2.1/"]).await else { return };
    assert_eq!((code, next(&mut heard).await.ok()), (0, Some((Kind::Socks5, "192.0.2.1:80".into()))));
}

#[tokio::test]
async fn a_refusal_names_the_rule_in_every_protocol() {
    let (proxy, _heard) = lab().await;
    let (http, socks) = (format!("http://{proxy}"), format!("socks5h://{proxy}"));
    let Some((code, text)) = curl(&["-w", "%{http_code}", "-x", &http, "-d", "body", "http://forbidden.test/"]).await else {
        return;
    };
    assert_eq!((code, text.as_str()), (0, "mitmlab: `forbidden.test:80` is refused by rule `lab-only`\n403"));
    let (code, text) = curl(&["-w", "%{http_connect}", "-x", &http, "https://unknown.test/"]).await.expect("curl is here");
    assert_eq!((code, text.starts_with("502")), (56, true), "{text}");
    for (host, reason) in [("forbidden.test", "(2)"), ("unknown.test", "(4)")] {
        let (code, text) = curl(&["-x", &socks, &format!("https://{host}/")]).await.expect("curl is here");
        assert!(code == 97 && text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn wget_and_python_find_their_way() {
    let (proxy, mut heard) = lab().await;
    let url = format!("http://{proxy}");
    let environment = [("http_proxy", url.as_str()), ("https_proxy", &url)];
    if let Some(output) = run("wget", &["-q", "-O", "-", "http://a.test/w"], &environment).await {
        assert!(output.stdout.starts_with(b"GET /w HTTP/1.1\r\n"), "{output:?}");
        assert_eq!(next(&mut heard).await.ok(), Some((Kind::Absolute, "a.test:80".into())));
        let output = run("wget", &["-t", "1", "-O", "-", "https://forbidden.test/"], &environment).await.expect("wget is here");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Forbidden"), "{output:?}");
        assert_eq!(next(&mut heard).await.ok(), Some((Kind::Connect, "forbidden.test:443".into())));
    }
    let fetch = |url| format!("import urllib.request as r; print(r.urlopen('{url}', timeout=9).read().decode())");
    if let Some(output) = run("python3", &["-c", &fetch("http://a.test/p")], &environment).await {
        assert!(output.stdout.starts_with(b"GET /p HTTP/1.1\r\n"), "{output:?}");
        assert_eq!(next(&mut heard).await.ok(), Some((Kind::Absolute, "a.test:80".into())));
        let output = run("python3", &["-c", &fetch("https://unknown.test/")], &environment).await.expect("python3 is here");
        assert!(String::from_utf8_lossy(&output.stderr).contains("502 Bad Gateway"), "{output:?}");
        assert_eq!(next(&mut heard).await.ok(), Some((Kind::Connect, "unknown.test:443".into())));
    }
}

#[tokio::test]
async fn a_plain_request_becomes_what_its_origin_expects() {
    let sent = "GET http://u:p@A.test?q HTTP/1.0\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n folded\r\n\
                Proxy-Authorization: Basic eA==\r\nKeep-Alive: 5\r\nX:y\n\r\n";
    let (answer, heard) = say(sent.as_bytes()).await;
    assert_eq!(heard.ok(), Some((Kind::Absolute, "a.test:80".into())));
    assert!(answer.ends_with(r"\r\n\r\nGET /?q HTTP/1.0\r\nHost: a.test\r\nX:y\nConnection: close\r\n\r\n"), "{answer}");
    let (answer, _) = say(b"OPTIONS http://a.test HTTP/1.1\r\nHost: A.TEST\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with(r"OPTIONS * HTTP/1.1\r\nHost: A.TEST\r\nConnection: close\r\n\r\n"), "{answer}");
    let (answer, _) = say(b"GET http://a.test/ HTTP/1.1\r\nUpgrade: x\r\nConnection: Upgrade\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.ends_with(r"GET / HTTP/1.1\r\nUpgrade: x\r\nConnection: Upgrade\r\nHost: a.test\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn what_was_sent_early_is_not_lost() {
    let (answer, _) = say(b"CONNECT a.test:80 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with(r"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    let socks = [b"\x05\x01\x00\x05\x01\x00\x03\x06a.test\x00\x50".as_slice(), b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"];
    let (answer, heard) = say(&socks.concat()).await;
    assert!(answer.starts_with(r"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(heard.ok(), Some((Kind::Socks5, "a.test:80".into())));
}

#[tokio::test]
async fn what_no_proxy_serves_gets_a_clear_answer() {
    let long = [b"GET http://a.test/ HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(12_000)].concat();
    let cases: [(&[u8], &str, &str); 13] = [
        (b"GET / HTTP/1.1\r\n\r\n", "400", "request for an origin"),
        (b"GET https://a.test/ HTTP/1.1\r\n\r\n", "501", "must use CONNECT"),
        (b"CONNECT a.test HTTP/1.1\r\n\r\n", "400", "no target"),
        (b"CONNECT ::1:443 HTTP/1.1\r\n\r\n", "400", "no target"),
        (b"hello\r\n\r\n", "400", "no HTTP/1 request line"),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "400", "speaks TLS to the proxy"),
        (b"\x00\x01", "400", "first byte is 0x00"),
        (&long, "431", "longer than 65536"),
        (b"GET http://a.test/ HT", "408", "no more in time"),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "", "SOCKS4"),
        (b"\x05\x01\x02", r"\x05\xff", "wants to authenticate"),
        (b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", r"\x05\x07", "command 2"),
        (b"\x05\x01\x00\x05\x01\x00\x09\x7f\x00\x00\x01\x00\x50", r"\x05\x08", "address type 0x09"),
    ];
    for (bytes, status, reason) in cases {
        let (answer, heard) = say(bytes).await;
        let error = heard.expect_err("no request").to_string();
        assert!(error.contains(reason), "{error}");
        assert!(answer.contains(status), "{status} {answer}");
        assert_eq!(answer.starts_with("HTTP/1.1 "), status.starts_with(|c: char| c.is_ascii_digit()), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let (address, mut heard) = lab().await;
    let _silent = TcpStream::connect(&address).await.expect("the proxy");
    assert!(matches!(next(&mut heard).await, Err(ProxyError::Deadline { bytes: 0, .. })));
    drop(TcpStream::connect(&address).await.expect("the proxy"));
    assert!(matches!(next(&mut heard).await, Err(ProxyError::Closed { bytes: 0, .. })));
}
