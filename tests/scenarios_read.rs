//! Every file that is shipped reads and is in the binary, the schemas are current, and every mistake is told.
//!
//! Accept changed messages with `INSTA_UPDATE=always cargo test --test scenarios_read`, changed schemas with
//! `MITMLAB_BLESS=1 cargo test --test scenarios_read`.

use std::path::{Path, PathBuf};

use mitmlab::scenario::{self, Place, Plan, Serve, TlsVersion, Transport, VerdictKind};
use proptest::prelude::*;

#[test]
fn every_shipped_scenario_reads() {
    for listed in scenario::list() {
        let plan = load(&listed.name);
        assert!(!plan.title.is_empty() && !plan.about.is_empty(), "{} says nothing", listed.name);
        assert!(scenario::explain(&listed.name, PROFILES).is_ok());
    }
}

#[test]
fn every_shipped_file_is_in_the_binary() {
    let mut on_disk: Vec<String> = Vec::new();
    for folder in ["scenarios", "scenarios/lists", "scenarios/verify", "scenarios/score", "lab/world", "lab/portal"] {
        for entry in std::fs::read_dir(root().join(folder)).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e != "json" && e != "md") {
                on_disk.push(format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy()));
            }
        }
    }
    on_disk.sort();
    let mut embedded: Vec<_> = scenario::embedded().iter().map(|(path, _)| (*path).to_owned()).collect();
    embedded.sort();
    assert_eq!(embedded, on_disk, "add the file to `FILES` in src/scenario/library.rs");
}

#[test]
fn every_scenario_begins_with_its_schema_and_has_a_twin() {
    for (path, text) in scenario::embedded().iter().filter(|(path, _)| path.starts_with("scenarios/") && path.ends_with(".toml"))
    {
        let depth = path.matches('/').count() - 1;
        assert_eq!(text.lines().next(), Some(format!("#:schema {}schema.json", "../".repeat(depth)).as_str()), "{path}");
        assert!(text.contains("twin =") || text.contains("[case]"), "{path} has no negative twin, and is no case of a suite");
    }
}

#[test]
fn the_schemas_are_current() {
    for (file, schema) in [("scenarios/schema.json", scenario::schema()), ("lab/world/schema.json", scenario::world_schema())] {
        let current = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
        let path = root().join(file);
        if std::env::var_os("MITMLAB_BLESS").is_some() {
            std::fs::write(&path, &current).expect("the schema can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == current, "{file} is stale: MITMLAB_BLESS=1 cargo test --test scenarios_read");
    }
}

#[test]
fn the_list_of_2019_has_its_37_names_and_the_world_serves_them() {
    let plan = load("kazakhstan-2019");
    let rule = &plan.phases[2].rules[0];
    let names = rule.when.sni.as_ref().expect("a rule by name");
    assert_eq!(names.len(), 37);
    for name in names {
        let site = plan.world.named(name).unwrap_or_else(|| panic!("{name} is not in the world"));
        assert_eq!(site.place, Place::Outside);
    }
    let facebook = plan.world.named("www.facebook.com").expect("it is there").addresses[0];
    assert!(plan.world.site(facebook, Some("www.whatsapp.com")).is_some_and(|s| s.is_named("web.whatsapp.com")));
}

#[test]
fn the_campaign_of_2019_has_its_dates() {
    let plan = load("kazakhstan-2019");
    let at = |text: &str| {
        let moment = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a date");
        plan.phase_at(moment).map(|at| plan.phases[at].name.clone())
    };
    assert_eq!(at("2019-07-16T23:59:59+06:00").as_deref(), Some("before"));
    assert_eq!(at("2019-07-16T18:00:00Z").as_deref(), Some("first-days"));
    assert_eq!(at("2019-07-22T00:00:00+06:00").as_deref(), Some("interception"));
    assert_eq!(at("2019-07-22T01:00:00+06:00").as_deref(), Some("stopped"));
    assert_eq!(at("2019-07-22T10:00:00+06:00").as_deref(), Some("fewer-hosts"));
    assert_eq!(at("2019-07-26T17:20:00+06:00").as_deref(), Some("paused"));
    assert_eq!(at("2019-08-06T23:59:59+06:00").as_deref(), Some("resumed"));
    assert_eq!(at("2019-08-07T00:00:00+06:00").as_deref(), Some("halted"));
    assert_eq!(at("2019-08-21T00:00:00+06:00").as_deref(), Some("blocked-by-vendors"));
    assert_eq!(at("2019-06-30T00:00:00+06:00"), None);
    let needs = plan.needs();
    assert_eq!(plan.diverted_ports().into_iter().collect::<Vec<_>>(), [(Transport::Tcp, 80), (Transport::Tcp, 443)]);
    assert_eq!(needs.profiles, ["qaznet-2019", "qaznet-2019-before-0719", "qaznet-2019-after-0730"]);
    assert!(needs.intercepts && !needs.dns && !needs.every_port && !needs.packets.is_empty());
}

#[test]
fn what_is_left_out_has_its_default_and_what_stands_for_an_address_is_filled_in() {
    let text = "title = \"a\"\n[world]\ninclude = \"web-2019\"\n[[check]]\nname = \"b\"\nclient = [\"curl\", \"--connect-to\", \
                \"::{address:expired.badtls.test}:443\", \"{url}\"]\nurl = \"https://WWW.kernel.org./\"\nexpect = { exit = 60 }\n";
    let plan = scenario::load_text("a.toml", text, PROFILES).unwrap_or_else(|told| panic!("{told}"));
    let check = &plan.checks[0];
    assert_eq!(check.client.argv()[2], "::198.51.100.101:443");
    assert_eq!((plan.name.as_str(), &check.targets[..]), ("a", &["www.kernel.org".to_owned()][..]));
    assert_eq!((plan.phases.len(), plan.phases[0].name.as_str(), plan.seed), (1, "always", 0));
    assert_eq!((check.deadline.as_secs(), check.clock), (30, plan.clock));
    assert!(plan.world.sites.iter().all(|s| s.addresses.iter().all(std::net::IpAddr::is_ipv4)), "the network has no IPv6");
    assert!(
        load("ipv6-is-intercepted-too").world.named("www.facebook.com").expect("a site").addresses.iter().any(|a| a.is_ipv6())
    );
}

#[test]
fn a_site_may_speak_one_version_of_tls_only() {
    let text = |site: &str| {
        format!(
            "title = \"a\"\n[[world.site]]\nnames = \"b.test\"\naddress = \"192.0.2.1\"\n{site}\n[[check]]\nname = \"c\"\n\
             client = [\"curl\", \"{{url}}\"]\nurl = \"https://b.test/\"\nexpect = {{ verdict = \"untouched\" }}\n"
        )
    };
    let plan = scenario::load_text("a", &text("tls = \"1.3\""), PROFILES).unwrap_or_else(|told| panic!("{told}"));
    let services = plan.world.sites[0].services.iter();
    let only: Vec<_> = services.filter_map(|s| if let Serve::Https { tls, .. } = &s.serve { Some(*tls) } else { None }).collect();
    assert_eq!(only, [Some(TlsVersion::Tls13)]);
    let told = |site: &str| scenario::load_text("a", &text(site), PROFILES).expect_err("a mistake").to_string();
    assert!(told("tls = \"1.4\"").contains("unknown word `1.4`"));
    assert!(told("tls = \"1.2\"\nservices = \"http\"").contains("without a service `https`"));
}

#[test]
fn a_plan_says_what_it_needs() {
    let dns = load("dns-lie-is-not-a-refusal").needs();
    assert!(dns.dns && !dns.intercepts && dns.profiles.is_empty());
    assert_eq!((dns.tcp, dns.udp), ([53].into(), [53].into()));
    let reset = load("reset-is-not-a-refusal").needs();
    assert_eq!((reset.tcp, reset.udp.len(), reset.packets.len()), ([443].into(), 0, 1));
    let inside: Vec<_> = load("kazakhstan-2019").sites_at(Place::Inside).map(|s| s.names[0].clone()).collect();
    assert_eq!(inside, ["rcku.kz", "egov.kz", "kaspi.kz", "qca.kz", "mail.example.kz"]);
}

#[test]
fn a_matrix_is_one_check_for_each_combination() {
    let plan = load("trusted-root-reads-everything");
    assert_eq!(plan.checks.len(), 5);
    assert!(plan.checks.iter().any(|c| c.name == "whoever trusts the root is read [curl]"));
    for check in &plan.checks {
        let twin = check.twin.as_ref().expect("a twin");
        assert_eq!(
            (&check.expect.verdict[..], &twin.expect.verdict[..]),
            (&[VerdictKind::Exposed][..], &[VerdictKind::Refused][..])
        );
        assert_eq!(twin.targets, check.targets);
    }
}

#[test]
fn a_file_on_disk_wins_and_finds_what_is_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write(
        "here.toml",
        "[[site]]\nnames = \"own.test\"\naddress = \"192.0.2.9\"\ncert = { chain = \"c.pem\", key = \"k.pem\" }\n",
    );
    write("names.txt", "# mine\nown.test # the only one\n");
    let text = OWN.replace("web-2019", "here");
    write("own.toml", &text);
    let path = folder.path().join("own.toml");
    let plan = scenario::load(&path.display().to_string(), PROFILES).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!((plan.name.as_str(), plan.world.sites.len()), ("own", 1));
    assert!(matches!(&plan.world.sites[0].cert, scenario::Cert::Files { chain, .. } if chain.starts_with(folder.path())));
    // From text alone no file of the disk is read.
    assert!(scenario::load_text("own", &text, PROFILES).is_err());
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let folder = root().join("tests/data/broken");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder is there").map(|e| e.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= 15);
    for path in files {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let told = scenario::load_text(&format!("{name}.toml"), &text, PROFILES).expect_err(&name);
        insta::with_settings!({ snapshot_path => "data/broken", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, told.render(false));
        });
    }
}

#[test]
fn mistakes_are_data_too() {
    let told = scenario::load_text("a.toml", "titel = \"a\"\n", PROFILES).expect_err("a mistake");
    insta::assert_json_snapshot!(told.to_json(), @r#"
    {
      "diagnostics": [
        {
          "kind": "unknown-key",
          "file": "a.toml",
          "line": 1,
          "column": 1,
          "span": {
            "start": 0,
            "end": 5
          },
          "message": "unknown key `titel`",
          "hints": [
            "did you mean `title`?"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_unknown_scenario_is_told_with_the_nearest() {
    let told = scenario::load("kazakstan-2019", PROFILES).expect_err("no such scenario").to_string();
    assert!(told.contains("did you mean `kazakhstan-2019`?"), "{told}");
}

#[test]
fn what_is_made_to_hurt_is_refused_in_time() {
    let deep = format!("title = {}", "[".repeat(200_000));
    let tables = format!("title = {}", "{a=".repeat(50_000));
    let many = format!("{}\n", "[[check]]\nnmae = 1\n".repeat(5_000));
    let keys: String = (0..5_000).map(|n| format!("k{n} = 1\n")).collect();
    let began = std::time::Instant::now();
    for text in [deep, tables, many, keys] {
        let told = scenario::load_text("hurt.toml", &text, PROFILES).expect_err("it is refused");
        assert!(told.count() <= 100 && !told.render(false).is_empty());
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens to the bytes of a file, it is read or refused, in bounded time and without a panic.
    #[test]
    fn no_mutation_of_a_scenario_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..24, "[ -~\n]{0,12}|\\PC{0,4}"), 1..6)) {
        let mut text: Vec<char> = OWN.chars().collect();
        for (at, cut, insert) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + cut).min(text.len());
            text.splice(start..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(told) = scenario::load_text("mutated.toml", &text, PROFILES) {
            prop_assert!(told.count() > 0);
            prop_assert!(!told.render(false).is_empty() && !told.render(true).is_empty());
            prop_assert!(told.iter().all(|d| d.line >= 1 && d.column >= 1 && d.span.start <= d.span.end));
        }
    }

    /// Lines of one file in the wrong order or twice: no panic either.
    #[test]
    fn no_shuffle_of_lines_panics(order in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let lines: Vec<&str> = OWN.lines().collect();
        let text = order.iter().map(|at| lines[at.index(lines.len())]).collect::<Vec<_>>().join("\n");
        if let Err(told) = scenario::load_text("shuffled.toml", &text, PROFILES) {
            prop_assert!(!told.render(false).is_empty());
        }
    }
}

fn load(name: &str) -> Plan {
    scenario::load(name, PROFILES).unwrap_or_else(|told| panic!("{name}:\n{told}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const PROFILES: &[&str] = &[
    "qaznet-2019",
    "qaznet-2019-before-0719",
    "qaznet-2019-after-0730",
    "isca-2020",
    "isca-2021-2024",
    "mirror",
    "qaznet-2019-after-0730-shifted",
    "nca-2015",
    "blind",
    "corporate",
    "antivirus",
    "captive-portal",
    "parental",
    "mirror-with-ct",
    "shared-key",
];

/// A small scenario with most of the language in it.
const OWN: &str = r#"title = "Own"
[authority]
profile = "qaznet-2019"
[network]
hops_inside = 1
[world]
include = "web-2019"
clock = 2019-07-20T12:00:00+06:00
[lists]
names = "names.txt"
[[phase]]
name = "on"
from = 2019-07-17
[[phase.rule]]
name = "forge"
match = { sni = ["@names", "own.test"], port = [443], origin = "trusted", chance = 0.5, schedule = "21:00-24:00" }
action = "intercept"
[[phase.rule]]
name = "slow"
match = { sni = ".test", direction = "outbound", address = "192.0.2.0/24" }
action = { throttle = { down_kbps = 128, policing = "drop" } }
unused_ok = "to be read"
[[check]]
name = "refused"
client = ["curl", "{url}"]
url = "https://own.test/"
at = 2019-07-20T22:00:00
trust = ["web", "none"]
matrix = "trust"
expect = { verdict = ["refused", "handshake-only"], action = "intercept" }
twin = { vantage = "outside", expect = { verdict = "untouched" } }
"#;
