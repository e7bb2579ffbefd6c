//! What nobody should send, and what becomes of it: no panic, and the outcome that is documented.

use crate::lab::{Outcome, Written, all_passed, program};

/// The first connection is dropped by its name; the next, with another name, goes the same way for as long as the residual lasts. The
/// negative twin: without a residual it is free; and by the 4-tuple another port of the client is another connection. All three at once,
/// for most of it is waiting.
pub(crate) fn residual() -> Outcome {
    let cases = [
        ("after", "{ drop = { residual_s = 60 } }", "silence"),
        ("without", "\"drop\"", "an answer"),
        ("four", "{ drop = { residual_s = 60, residual = \"4-tuple\" } }", "an answer"),
    ];
    let one = |(name, action, next): (&str, &str, &str)| {
        let expected = format!("dropped: silence\\nnext: {next}\\nelsewhere: an answer");
        let text = world(action, "") + &check(name, "residual.py", &expected);
        all_passed(&Written::new(&text).with("residual.py", RESIDUAL).run(1)?)
    };
    std::thread::scope(|scope| {
        let running = cases.map(|case| scope.spawn(move || one(case)));
        running.into_iter().try_for_each(|trial| trial.join().unwrap_or_else(|_| Err("a trial panicked".into())))
    })
}

pub(crate) fn clients() -> Outcome {
    let speaks_first = "[[world.site]]\nnames = \"mail.test\"\naddress = \"192.0.2.3\"\nservices = [{ serve = \"exec\", port = 443, run = [\"python3\", \"-c\", \"import socket,sys;s=socket.create_server(('127.0.0.1',int(sys.argv[1])));exec('while 1:\\\\n c=s.accept()[0]\\\\n try: c.sendall(b\\\\'220 hello\\\\\\\\r\\\\\\\\n\\\\');c.recv(99)\\\\n except OSError: pass\\\\n c.close()')\", \"{port}\"] }]\n";
    let expected = "never a hello: no answer\\nmalformed hello: an end\\nhalf a hello: an end\\nhalf closed: an answer\\nserver first: 220\\nstill there: an answer";
    let text = world("\"drop\"", speaks_first) + &check("odd", "odd.py", expected);
    all_passed(&Written::new(&text).with("odd.py", ODD).run(1)?)
}

pub(crate) fn dns() -> Outcome {
    let text = world(
        "\"drop\"",
        "[[rule]]\nname = \"deny\"\nmatch = { name = \"no.test\" }\naction = { dns = \"nxdomain\" }\nunused_ok = \"asked over raw sockets\"\n",
    ) + &check(
        "dns",
        "dns.py",
        "pipelined: 3 answers, 1 denied\\n64 KiB: an answer\\ngarbage: nothing\\nstill there: an answer",
    );
    let report = Written::new(&text).with("dns.py", DNS).run(1)?;
    let failed: Vec<_> = crate::lab::checks(&report).into_iter().filter(|c| !crate::lab::passed(c)).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("{failed:#?}").into()) }
}

pub(crate) fn ipv6() -> Outcome {
    let text = world("\"reset\"", "")
        .replace("title = \"Odd\"", "title = \"Odd\"\n[network]\nipv6 = true")
        .replace("address = \"192.0.2.1\"", "address = \"2001:db8:1::1\"")
        .replace("address = \"192.0.2.2\"", "address = \"2001:db8:1::2\"")
        + "[[check]]\nname = \"six\"\nclient = [\"curl\", \"-sS\", \"-o\", \"/dev/null\", \"{url}\"]\nurl = \"https://closed.test/\"\n\
           expect = { verdict = \"blocked\", action = \"reset\", exit = 35 }\n\
           twin = { url = \"https://open.test/\", expect = { verdict = \"untouched\", exit = 0 } }\n";
    all_passed(&Written::new(&text).run(2)?)
}

/// Each fault is found, and its line is told.
pub(crate) fn rotten() -> Outcome {
    let sound = world("\"reset\"", "");
    let base = "[[check]]\nname = \"c\"\nclient = [\"curl\", \"-sS\", \"{url}\"]\nurl = \"https://closed.test/\"\nexpect = { verdict = \"blocked\" }\n";
    let inert =
        format!("{sound}[[rule]]\nname = \"inert\"\nmatch = {{ sni = \"open.test\", port = 443 }}\naction = \"reset\"\n{base}");
    let phases = format!(
        "{}{base}",
        sound.replace(
            "[[rule]]",
            "[[phase]]\nname = \"one\"\nfrom = 2019-07-01\n[[phase]]\nname = \"nobody\"\nfrom = 2019-08-01\n[[phase.rule]]"
        )
    )
    .replace("[[check]]", "[[check]]\nphase = \"one\"");
    let dead = format!("{sound}{base}").replace("\"c\"", "\"dead\"").replace("verdict = \"blocked\"", "action = \"drop\"");
    let fixture = format!("{sound}{base}").replacen(
        "address = \"192.0.2.2\"\n",
        "address = \"192.0.2.2\"\ncert = { chain = \"chain.pem\", key = \"key.pem\" }\n",
        1,
    );
    let (chain, key) = expired_certificate().map_err(|error| error.to_string())?;
    for (what, text, told, at) in [
        ("an inert rule", inert, "inert", "name = \"inert\""),
        ("a phase nobody enters", phases, "nobody", "name = \"nobody\""),
        ("a dead expectation", dead, "`drop`", "expect = { action = \"drop\""),
        ("an expired fixture", fixture, "chain.pem", "cert = "),
    ] {
        let written = Written::new(&text).with("chain.pem", &chain).with("key.pem", &key);
        let output = program().args(["run", "trial.toml"]).current_dir(written.path("")).output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let line = text.lines().position(|line| line.contains(at)).map_or(0, |at| at + 1);
        if output.status.success() || !words.contains(told) || !words.contains(&format!("trial.toml:{line}:")) {
            return Err(format!("{what} passed, or its line {line} is not told: {words}").into());
        }
    }
    Ok(())
}

/// A certificate of 2019, and its key.
fn expired_certificate() -> Result<(String, String), rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec!["open.test".to_owned()])?;
    parameters.not_before = rcgen::date_time_ymd(2019, 7, 1);
    parameters.not_after = rcgen::date_time_ymd(2019, 8, 7);
    Ok((parameters.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn world(action: &str, more: &str) -> String {
    format!(
        "title = \"Odd\"\n[world]\nisp_resolver = \"203.0.113.53\"\n\
         [[world.site]]\nnames = [\"closed.test\", \"beside.test\"]\naddress = \"192.0.2.1\"\n\
         [[world.site]]\nnames = [\"open.test\", \"no.test\"]\naddress = \"192.0.2.2\"\n{more}\
         [[rule]]\nname = \"closed\"\nmatch = {{ sni = \"closed.test\", port = 443 }}\naction = {action}\nunused_ok = \"some trials are about something else\"\n"
    )
}

/// A program whose whole output is compared.
fn check(name: &str, program: &str, expected: &str) -> String {
    format!(
        "[[check]]\nname = \"{name}\"\ndeadline = \"90s\"\ndetector = {{ run = [\"python3\", \"{program}\"], says = {{ line = \"^OUT (.*)$\" }} }}\n\
         expect = {{ finding = \"{}\" }}\n",
        expected.replace("\\n", "; ")
    )
}

const RESIDUAL: &str = r#"
import socket, ssl
context = ssl._create_unverified_context()
def ask(address, name):
    try:
        with socket.create_connection((address, 443), timeout=3) as plain:
            with context.wrap_socket(plain, server_hostname=name):
                return "an answer"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return str(error)
out = [f"dropped: {ask('192.0.2.1', 'closed.test')}"]
out.append(f"next: {ask('192.0.2.1', 'beside.test')}")
out.append(f"elsewhere: {ask('192.0.2.2', 'open.test')}")
print("OUT", "; ".join(out))
"#;

const ODD: &str = r#"
import socket, ssl, struct
context = ssl._create_unverified_context()
def raw(address, data, half=False, wait=3):
    with socket.create_connection((address, 443), timeout=wait) as link:
        if data:
            link.sendall(data)
        if half:
            link.shutdown(socket.SHUT_WR)
        try:
            return link.recv(100)
        except TimeoutError:
            return None
        except OSError:
            return b""
def word(answer):
    return "no answer" if answer is None else "an end" if answer[:1] in (b"", b"\x15") else "an answer"
def hello(name):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    link = context.wrap_bio(into, out, server_hostname=name)
    try:
        link.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
def tls(name):
    with socket.create_connection(("192.0.2.2", 443), timeout=8) as plain, context.wrap_socket(plain, server_hostname=name):
        return "an answer"
good = hello("open.test")
out = [f"never a hello: {word(raw('192.0.2.2', b''))}"]
bad = b"\x16\x03\x01" + struct.pack(">H", 200) + b"\x01" + b"\xff" * 199
out.append(f"malformed hello: {word(raw('192.0.2.2', bad, wait=15))}")
out.append(f"half a hello: {word(raw('192.0.2.2', good[:100], half=True, wait=15))}")
out.append(f"half closed: {word(raw('192.0.2.2', good, half=True, wait=15))}")
out.append(f"server first: {raw('192.0.2.3', b'', wait=15)[:3].decode()}")
out.append(f"still there: {tls('open.test')}")
print("OUT", "; ".join(out))
"#;

const DNS: &str = r#"
import socket, struct
def query(number, name, pad=0):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0"
    extra = b""
    if pad:  # an OPT record with a padding option (RFC 7830)
        extra = b"\0" + struct.pack(">HHIH", 41, 4096, 0, pad + 4) + struct.pack(">HH", 12, pad) + b"\0" * pad
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1 if pad else 0) + labels + struct.pack(">HH", 1, 1) + extra
def framed(message):
    return struct.pack(">H", len(message)) + message
def read(link):
    head = link.recv(2, socket.MSG_WAITALL)
    return link.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL) if len(head) == 2 else b""
def ask(address, data, answers):
    with socket.create_connection((address, 53), timeout=15) as link:
        link.sendall(data)
        return [read(link) for _ in range(answers)]
def denied(message):
    return message[3] & 15 == 3
three = ask("8.8.8.8", framed(query(1, "open.test")) + framed(query(2, "no.test")) + framed(query(3, "closed.test")), 3)
out = [f"pipelined: {len([m for m in three if m])} answers, {sum(map(denied, three))} denied"]
message = query(4, "open.test", 65535 - len(query(4, "open.test", 1)) + 1)
assert len(message) == 65535
large = ask("8.8.8.8", framed(message), 1)
out.append(f"64 KiB: {'an answer' if large[0] else 'nothing'}")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.settimeout(2)
    link.sendto(b"\xff" * 7, ("8.8.8.8", 53))
    try:
        link.recv(99)
        out.append("garbage: an answer")
    except TimeoutError:
        out.append("garbage: nothing")
last = ask("203.0.113.53", framed(query(5, "open.test")), 1)
out.append(f"still there: {'an answer' if last[0] else 'nothing'}")
print("OUT", "; ".join(out))
"#;
