//! What a prober sees on the wire. IMC 2020 (doi:10.1145/3419394.3423665) section 4.2.2: hellos with a short life. Geneva
//! (kazakhstan_injected_https): a hello that is split inside the name.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::lab::*;

pub(crate) fn trials() -> Vec<Listed> {
    const PYTHON: Needs = Needs::Sealed(&["python3"]);
    const RAW: Needs = Needs::Root(&["python3", "ip"]);
    vec![
        ("a_target_is_answered_one_hop_before_the_origin", PYTHON, short_lives),
        ("a_box_that_reassembles_catches_every_cutting", PYTHON, reassembled),
        ("a_box_of_one_segment_misses_a_split_name", PYTHON, first_segment),
        ("repeated_reordered_and_early_hellos_are_read", RAW, by_hand),
        ("a_box_of_one_segment_reads_hellos_by_hand_as_documented", RAW, by_hand_first_segment),
        ("two_hundred_at_once_leave_no_flow_behind", PYTHON, many),
        ("two_clients_may_use_the_same_port", Needs::Sealed(&["curl"]), same_port),
        ("a_bystander_is_the_same_to_the_packet", Needs::Root(&["python3"]), to_the_packet),
    ]
}

/// The client of strange habits, run once for each box.
fn told(mode: &'static str) -> Result<Value, libtest_mimic::Failed> {
    static REASSEMBLING: OnceLock<Result<Value, String>> = OnceLock::new();
    static FIRST: OnceLock<Result<Value, String>> = OnceLock::new();
    let cell = if mode == "first" { &FIRST } else { &REASSEMBLING };
    let told = cell.get_or_init(|| {
        let network = format!("hops_inside = 1\nhops_outside = 1\nfirst_segment = {}", mode == "first");
        let run = || {
            let stage = Stage::new(&network, "")?;
            let done = stage.exec("sealed", &["python3", &script("client.py"), mode])?;
            serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {}{}", done.stdout, done.stderr).into())
        };
        run().map_err(|e: libtest_mimic::Failed| e.message().unwrap_or("failed").to_owned())
    });
    told.clone().map_err(Into::into)
}

/// Hops: the client's router, the box, one router, the origin. So a hello with a life of 3 passes the box and ends before the
/// origin.
fn short_lives() -> Outcome {
    let told = told("reassembling")?;
    let (silence, forged, genuine) = ("silence", "forged", "genuine");
    same("a target", &told["ttl www.facebook.com"], &json!([silence, silence, forged, forged, forged, forged]))?;
    same("a bystander", &told["ttl www.whatsapp.com"], &json!([silence, silence, silence, genuine, genuine, genuine]))
}

fn reassembled() -> Outcome {
    let told = told("reassembling")?;
    for (what, expected) in [("whole", "forged"), ("split", "forged"), ("byte by byte", "forged"), ("split bystander", "genuine")]
    {
        same(what, &told[what], &json!(expected))?;
    }
    Ok(())
}

fn first_segment() -> Outcome {
    let told = told("first")?;
    for (what, expected) in [("whole", "forged"), ("split", "genuine"), ("split bystander", "genuine")] {
        same(what, &told[what], &json!(expected))?;
    }
    Ok(())
}

fn by_hand() -> Outcome {
    let told = told("reassembling")?;
    for what in BY_HAND {
        same(what, &told[what], &json!("forged"))?;
    }
    same("the SYN/ACK acknowledges", &told["the SYN/ACK acknowledges"], &json!("the SYN alone"))
}

/// Whatever comes in more than one segment, or in the wrong order, is not read.
fn by_hand_first_segment() -> Outcome {
    let told = told("first")?;
    for (what, expected) in BY_HAND.into_iter().zip(["forged", "forged", "forged", "genuine", "genuine"]) {
        same(what, &told[what], &json!(expected))?;
    }
    Ok(())
}

const BY_HAND: [&str; 5] =
    ["by hand", "a repeated hello", "a SYN with data", "a hello that overlaps its own beginning", "an out-of-order hello"];

fn many() -> Outcome {
    let stage = Stage::new("", "")?;
    let done = stage.exec("sealed", &["python3", &script("client.py"), "many"])?;
    let told: Value = serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {}", done.stderr))?;
    same("at once", &told["many"], &json!({ "target forged": 100, "bystander genuine": 100 }))?;
    let connections = stage.connections()?;
    let silent = connections.iter().find(|c| c["hello"].is_null()).ok_or("the silent connection is not in the record")?;
    same("decisions about silence", &silent["decisions"], &json!([]))?;
    same("bytes of silence", &silent["client_half"]["bytes"]["raw_up"], &json!(0))?;
    let open = connections.iter().filter(|c| c["ended"] != json!(true)).count();
    same("connections that did not end", open, 0)?;
    let events = stage.events()?;
    let mut notes = events.iter().filter_map(|e| e["text"].as_str()).filter(|text| text.starts_with("flows"));
    same("flow state", notes.next(), Some("flows that are not over at the end: 0 on the wire, 0 in the box"))
}

/// Two checks side by side, their clients bound to one port: four connections that differ in the client's address alone.
fn same_port() -> Outcome {
    let check = |name: &str, host: &str, expect: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nclient = [\"curl\", \"-sS\", \"--local-port\", \"45000\", \"-o\", \"/dev/null\", \"{{url}}\"]\n\
             url = \"https://{host}/\"\nexpect = {{ {expect} }}\n"
        )
    };
    let target = check("a target", "www.facebook.com", "verdict = \"refused\", action = \"intercept\", exit = 60");
    let bystander = check("a bystander", "www.whatsapp.com", "verdict = \"untouched\", action = \"forward\", exit = 0");
    let stage = Stage::new("", &(target + &bystander))?;
    let done = stage.run("sealed", &["--jobs", "2"])?;
    same("exit", done.code, 0).map_err(|_| done.stdout.clone())?;
    let connections = stage.connections()?;
    let clients: std::collections::HashSet<_> = connections.iter().filter_map(|c| c["client"].as_str()).collect();
    // A control leg may serve several checks.
    that(clients.len() >= 3 && clients.len() == connections.len(), format!("{clients:?} of {}", connections.len()))?;
    that(clients.iter().all(|client| client.ends_with(":45000")), format!("{clients:?}"))
}

/// What two witnesses tell of one connection, with the box looking at the port and without.
fn to_the_packet() -> Outcome {
    let diverted = watched("")?;
    let elsewhere = watched("match = { host = \"www.facebook.com\", port = 80 }")?;
    for watched in [&diverted, &elsewhere] {
        let (up, down) = watched.of("www.whatsapp.com");
        that(up.0.len() > 5 && down.0.len() > 5, format!("few packets: {up:?} {down:?}"))?;
        same("what the client sent, at the origin", &up.1, &up.0)?;
        same("what the origin sent, at the client", &down.1, &down.0)?;
        // inside, box, one router: the box is a hop like any other, whether it looks or not
        same("hops", watched.hops("www.whatsapp.com"), vec![3])?;
    }
    same("JA3 at the origin", diverted.ja3(), elsewhere.ja3())?;
    let shape = |w: &Watched| w.syn_shapes("www.whatsapp.com");
    same("options and windows of SYN and SYN/ACK", shape(&diverted), shape(&elsewhere))?;
    // Of an intercepted connection the handshake is the origin's own.
    let (up, down) = diverted.of("www.facebook.com");
    same("the genuine SYN/ACK", &down.0[0], &down.1[0])?;
    same("the client's SYN", &up.0[0], &up.1[0])?;
    that(up.1.iter().all(|packet| packet["payload"][0] == json!(0)), "a byte of the intercepted client reached the origin")?;
    let (up, down) = elsewhere.of("www.facebook.com");
    same("a target that nobody looks at", (&up.1, &down.1), (&up.0, &down.0))
}

struct Watched {
    ports: Value,
    client: Vec<Value>,
    origin: Vec<Value>,
    events: Vec<Value>,
}

fn watched(other_rule: &str) -> Result<Watched, libtest_mimic::Failed> {
    let stage = Stage::new("hops_inside = 1\nhops_outside = 1", "")?;
    let (at_client, at_origin, watch) = (stage.text("client.jsonl"), stage.text("origin.jsonl"), script("watch.py"));
    let site = format!(
        "about = \"a witness\"\n[[site]]\nnames = [\"watch.lab.test\"]\naddress = \"198.51.100.77\"\n\
         services = [{{ serve = \"exec\", port = 9999, run = [\"python3\", {watch:?}, \"origin\", \"{{port}}\", {at_origin:?}] }}]\n"
    );
    stage.write("watch.toml", &site)?;
    stage.edit("[\"web-2019\"]", "[\"web-2019\", \"watch\"]")?;
    if !other_rule.is_empty() {
        stage.edit(
            "match = { sni = \"www.facebook.com\", port = 443 }",
            &format!("{other_rule}\nunused_ok = \"nothing is diverted\""),
        )?;
        stage.edit("action = \"intercept\"", "action = \"reset\"")?;
        stage.edit(&format!("[authority]\nprofile = \"{QUICK}\"\n"), "")?;
        stage.edit("verdict = \"refused\"", "verdict = \"untouched\"")?;
    }
    let names = ["www.whatsapp.com", "www.facebook.com"];
    let done = stage.exec("sealed", &[&["python3", &watch, "client", &at_client, &at_origin], &names[..]].concat())?;
    let ports = serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {}", done.stderr))?;
    let (client, origin) = (rows(stage.path("client.jsonl").as_path())?, rows(stage.path("origin.jsonl").as_path())?);
    Ok(Watched { ports, client, origin, events: stage.events()? })
}

type Packets = Vec<Value>;

impl Watched {
    /// What went up and what went down, each as the client's witness and as the origin's saw it.
    fn of(&self, name: &str) -> ((Packets, Packets), (Packets, Packets)) {
        let port = &self.ports[name];
        let way = |rows: &[Value], at: usize| {
            rows.iter().filter(|p| p["ports"][at] == *port).map(|p| p["same"].clone()).collect::<Vec<_>>()
        };
        ((way(&self.client, 0), way(&self.origin, 0)), (way(&self.client, 1), way(&self.origin, 1)))
    }

    /// By how much lives differ between the witnesses: one number if every packet took the same way.
    fn hops(&self, name: &str) -> Vec<i64> {
        let port = &self.ports[name];
        let lives = |rows: &[Value], at: usize| {
            rows.iter().filter(|p| p["ports"][at] == *port).filter_map(|p| p["ttl"].as_i64()).collect::<Vec<_>>()
        };
        let fell = |sent: Vec<i64>, came: Vec<i64>| sent.into_iter().zip(came).map(|(a, b)| a - b).collect::<Vec<_>>();
        let mut all = fell(lives(&self.client, 0), lives(&self.origin, 0));
        all.extend(fell(lives(&self.origin, 1), lives(&self.client, 1)));
        all.sort_unstable();
        all.dedup();
        all
    }

    fn ja3(&self) -> Vec<&str> {
        let by_origin = |e: &&Value| e["event"] == "hello:seen" && e["by"] == "origin" && e["half"] == "client";
        let hello = |e: &Value| e["hello"]["sni"] == "www.whatsapp.com";
        self.events.iter().filter(by_origin).filter(|e| hello(e)).filter_map(|e| e["hello"]["ja3"].as_str()).collect()
    }

    /// Option kinds, MSS, window scale and window of the first packets: what a fingerprinter looks at.
    fn syn_shapes(&self, name: &str) -> Vec<(String, Value)> {
        let (up, down) = self.of(name);
        [&up.1[0], &down.0[0]]
            .into_iter()
            .map(|syn| (kinds(syn["options"].as_str().unwrap_or_default()), syn["numbers"][4].clone()))
            .collect()
    }
}

/// Options in hex, timestamps left out: they are the machine's clock.
fn kinds(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2).filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect();
    let (mut at, mut told) = (0, Vec::new());
    while at < bytes.len() {
        let length = if bytes[at] < 2 { 1 } else { usize::from(bytes[at + 1]).max(2) };
        told.push(if bytes[at] == 8 { "8".to_owned() } else { format!("{:?}", &bytes[at..bytes.len().min(at + length)]) });
        at += length;
    }
    told.join(" ")
}
