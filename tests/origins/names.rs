//! DNS over TLS and over HTTPS, asked by `dig` and curl.

use mitmlab::network::resolver::Resolver;
use mitmlab::record::Recorder;
use mitmlab::scenario::{Cert, Serve, World};
use std::sync::Arc;

use crate::bench::{Bench, have, run, site, text};

/// Two resolvers, whose zone has one more name.
async fn bench() -> Bench {
    let mut names = site("www.lab.test", 443, Cert::Good);
    names.addresses = vec!["192.0.2.7".parse().expect("an address")];
    let world = World { sites: vec![names], ..World::default() };
    let resolver = Resolver::new(Arc::new(world), Recorder::new());
    let sites = vec![("doh.test", Cert::Good), ("dot.test", Cert::Good)];
    Bench::with_services(
        sites,
        |origins| origins.with_names(resolver.clone()),
        |name, serve| match (name, serve) {
            ("dot.test", _) => Serve::Dot,
            (_, Serve::Https { pages, alpn, hsts, tls, http3, .. }) => Serve::Https { pages, alpn, hsts, tls, http3, doh: true },
            (_, other) => other,
        },
    )
    .await
}

#[tokio::test]
async fn dig_is_answered_over_tls_and_over_https() {
    if !have("dig") {
        return;
    }
    let bench = bench().await;
    for (name, how) in [("dot.test", "+tls"), ("doh.test", "+https"), ("doh.test", "+https-get"), ("dot.test", "+tls +keepopen")]
    {
        let (port, ca, host) =
            (bench.ports[name].to_string(), format!("+tls-ca={}", bench.root()), format!("+tls-hostname={name}"));
        let mut args = vec!["@127.0.0.1", "-p", &port, &ca, &host, "+tries=1", "+short"];
        args.extend(how.split(' '));
        let asked = |kind| [args.as_slice(), &["www.lab.test", kind]].concat();
        let output = run("dig", &asked("A")).await;
        assert_eq!(text(&output.stdout).trim(), "192.0.2.7", "{how}: {}", text(&output.stderr));
        assert_eq!(text(&run("dig", &asked("HTTPS")).await.stdout), "", "{how}: no such record");
    }
}

/// RFC 8484 by hand: both methods, and what is no query.
#[tokio::test]
async fn doh_takes_get_and_post_and_refuses_what_is_no_query() {
    let bench = bench().await;
    let query = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www\x03lab\x04test\0\0\x01\0\x01";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), query).expect("written");
    let (data, form) = (format!("@{}", file.path().display()), "content-type: application/dns-message");
    let get = "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwNsYWIEdGVzdAAAAQAB";
    let post = ["--data-binary", data.as_str(), "-H", form];
    for (path, more) in [(get, [].as_slice()), ("/dns-query", post.as_slice())] {
        for version in ["--http1.1", "--http2"] {
            let output = bench.curl("doh.test", path, &[more, &[version]].concat()).await;
            assert!(output.stdout.ends_with(&[192, 0, 2, 7]), "{path} {version}: {:?}", output.stdout);
        }
    }
    let wrong = [
        ("/dns-query", [].as_slice(), "400"),
        ("/dns-query?dns=*", &[], "400"),
        ("/dns-query?dns=AAAA", &[], "400"),
        ("/dns-query", &["--data-binary", "x"], "415"),
        ("/dns-query", &["-X", "DELETE"], "405"),
        ("/dns-query", &["--data-binary", "x", "-H", form], "400"),
    ];
    for (path, more, status) in wrong {
        let output = bench.curl("doh.test", path, &[more, &["-o", "/dev/null", "-w", "%{http_code}"]].concat()).await;
        assert_eq!(text(&output.stdout), status, "{path} {more:?}");
    }
    let page = bench.curl("doh.test", "/", &[]).await;
    assert!(text(&page.stdout).contains("<html"), "the site has its page besides");
}

/// Garbage of every length behind a handshake: the connection ends, and the next one is served.
#[tokio::test]
async fn dot_survives_garbage() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = bench().await;
    for garbage in [b"".as_slice(), b"\0", b"\0\0", b"\0\x05hello", b"\xff\xff", b"\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let stream = tokio::net::TcpStream::connect((crate::bench::HERE, bench.ports["dot.test"])).await.expect("connected");
        let (connector, name) = crate::bench::anybody("dot.test");
        let mut stream = connector.connect(name, stream).await.expect("a handshake");
        stream.write_all(garbage).await.expect("sent");
        stream.shutdown().await.expect("closed");
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        reading.expect("the server ends it").expect("in order");
    }
}
