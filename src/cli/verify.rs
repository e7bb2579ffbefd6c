//! `mitmlab verify`: is this client safe under interception? It runs through every fault that a safe client must refuse, and through
//! what it must accept.

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;

use super::print;
use super::suite::{self, Chosen, Found, SuiteArgs, ms_since, network_word};
use crate::error::{AS_EXPECTED, Error};
use crate::scenario::{Must, Need, Speaks, Suite, Trust};
use crate::verdict::report::verify as report;
use crate::verdict::suite::VERSION;
use crate::verdict::verify::{Answer, VerifyCase, VerifyReport, exit_code};

/// `mitmlab verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// What the client trusts in every case, in place of what the case says: web, web+authority, web+authority+blocklist, none
    #[arg(long)]
    pub trust: Option<Trust>,
    /// The client claims to know its server's key: it must refuse another one, even from a root that it trusts
    #[arg(long)]
    pub pinned: bool,
    /// The client claims to demand timestamps of transparency logs
    #[arg(long)]
    pub ct: bool,
    /// The client claims to notice revoked certificates
    #[arg(long)]
    pub revocation: bool,
    /// The client claims to follow the vendors' block list
    #[arg(long)]
    pub blocklist: bool,
    /// The client claims to take no TLS older than 1.2
    #[arg(long)]
    pub modern_tls: bool,
    /// What the client speaks, which `{url}` then is: https, smtp, smtps, submission, imap, imaps, pop3, pop3s
    #[arg(long, value_name = "WHAT", default_value_t)]
    pub speaks: Speaks,
    /// Which cases, and how
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// The client; `{url}`, `{host}`, `{pin}` and `{ca}` are filled in
    #[arg(last = true, value_name = "CLIENT", required_unless_present_any = ["schema", "list"])]
    pub client: Vec<String>,
}

/// Runs the suite.
pub(super) fn verify(verify: &Verify) -> Result<u8, Error> {
    if verify.suite.schema {
        print::line(format_args!("{:#}", report::schema()))?;
        return Ok(AS_EXPECTED);
    }
    let speaks = (!verify.suite.list).then_some(verify.speaks);
    let chosen = suite::choose(Suite::Verify, &verify.suite, speaks)?;
    if verify.suite.list {
        return list(&chosen);
    }
    suite::is_there(&verify.client)?;
    let began = Instant::now();
    let cases = cases(verify, &chosen)?;
    let done = VerifyReport {
        version: VERSION,
        suite: Suite::Verify,
        mitmlab: env!("CARGO_PKG_VERSION").to_owned(),
        digest: chosen.digest,
        of: chosen.of,
        shard: verify.suite.shard,
        command: verify.client.clone(),
        settings: settings(verify),
        cases,
        ms: ms_since(began),
    };
    verify.suite.form.tell(|format| super::report::render(format, &done))?;
    Ok(exit_code(&done))
}

fn cases(verify: &Verify, chosen: &Chosen) -> Result<Vec<VerifyCase>, Error> {
    let claims = verify.claims();
    let lacks = |found: &Found| found.case.needs.iter().copied().find(|need| *need != Need::Sealed && !claims.contains(need));
    let runs: Vec<&Found> = chosen.cases.iter().filter(|found| lacks(found).is_none()).collect();
    let words = |_: &Found| {
        let trust = verify.trust.map(|trust| ["--trust".to_owned(), trust.to_string()]);
        let client = std::iter::once("--".to_owned()).chain(verify.client.iter().cloned());
        let speaks = ["--speaks".to_owned(), verify.speaks.to_string()];
        trust
            .into_iter()
            .flatten()
            .chain(verify.speaks.mail().map(|_| speaks).into_iter().flatten())
            .chain(client)
            .map(Into::into)
            .collect()
    };
    let mut ran = suite::run(&runs, &verify.suite, words)?.into_iter();
    let judged = chosen.cases.iter().map(|found| match lacks(found) {
        Some(need) => not_claimed(found, need),
        None => ran.next().map_or_else(
            || broken(found, "it was not run"),
            |ran| match ran {
                Ok(report) => VerifyCase::judged(&found.name, &found.case, found.case.must_with(&claims), report),
                Err(why) => broken(found, &why),
            },
        ),
    });
    Ok(judged.collect())
}

fn not_claimed(found: &Found, need: Need) -> VerifyCase {
    let why = match need {
        Need::Pin => "the client does not claim to know its server's key: `--pinned`",
        Need::Ct => "the client does not claim to demand timestamps: `--ct`",
        Need::Revocation => "the client does not claim to notice revocations: `--revocation`",
        Need::Blocklist => "the client does not claim to follow a block list: `--blocklist`",
        Need::ModernTls => "the client does not claim to take no TLS older than 1.2: `--modern-tls`",
        Need::Control | Need::Sealed => "not for clients",
    };
    VerifyCase::without_run(&found.name, &found.plan.title, &found.case, Answer::Unsupported, why.to_owned())
}

fn broken(found: &Found, why: &str) -> VerifyCase {
    VerifyCase::without_run(
        &found.name,
        &found.plan.title,
        &found.case,
        Answer::Inconclusive,
        format!("the case did not run: {why}"),
    )
}

fn settings(verify: &Verify) -> BTreeMap<String, String> {
    let trust = verify.trust.map(|trust| ("trust".to_owned(), trust.to_string()));
    let claims = verify.claims().iter().map(|need| need.as_str()).collect::<Vec<_>>().join("+");
    let claims = (!claims.is_empty()).then(|| ("claims".to_owned(), claims));
    let speaks = ("speaks".to_owned(), verify.speaks.to_string());
    let network = ("network".to_owned(), network_word(verify.suite.network.network).to_owned());
    trust.into_iter().chain(claims).chain([speaks, network]).collect()
}

fn list(chosen: &Chosen) -> Result<u8, Error> {
    let width = chosen.cases.iter().map(|found| found.name.len()).max().unwrap_or(0);
    for Found { name, case, .. } in &chosen.cases {
        let must = case.must.map_or("maybe", Must::as_str);
        let web = case.speaks == [Speaks::Https];
        print::line(format_args!("{name:width$}  {must:6}  {:5}  {}", if web { "web" } else { "mail" }, case.reason))?;
    }
    Ok(AS_EXPECTED)
}

impl Verify {
    /// What the client claims.
    fn claims(&self) -> Vec<Need> {
        let all = [
            (self.pinned, Need::Pin),
            (self.ct, Need::Ct),
            (self.revocation, Need::Revocation),
            (self.blocklist, Need::Blocklist),
            (self.modern_tls, Need::ModernTls),
        ];
        all.into_iter().filter(|(claimed, _)| *claimed).map(|(_, need)| need).collect()
    }
}
