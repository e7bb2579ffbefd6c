//! `mitmlab verify`: is this client safe under interception? It runs through every fault that a safe client must refuse, and through
//! what it must accept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::suite::{self, Chosen, Found, SuiteArgs, ms_since, network_word};
use super::{Format, print};
use crate::client::find;
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
    /// What the client speaks: `{url}` has this scheme
    #[arg(long, value_enum, default_value_t)]
    pub speaks: SpeaksArg,
    /// Which cases, and how
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also write a JUnit report to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write a TAP report to this file
    #[arg(long, value_name = "FILE")]
    pub tap: Option<PathBuf>,
    /// Also write the JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write an HTML page to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the JSON Schema of the JSON report
    #[arg(long)]
    pub schema: bool,
    /// Print the cases with what a safe client must do in them, and why
    #[arg(long)]
    pub list: bool,
    /// The client; `{url}`, `{host}`, `{pin}` and `{ca}` are filled in
    #[arg(last = true, value_name = "CLIENT", required_unless_present_any = ["schema", "list"])]
    pub client: Vec<String>,
}

/// What the client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SpeaksArg {
    /// HTTP over TLS
    #[default]
    Https,
    /// Submission of mail with STARTTLS
    Submission,
    /// Submission of mail over TLS
    Submissions,
    /// IMAP with STARTTLS
    Imap,
    /// IMAP over TLS
    Imaps,
    /// POP3 with STLS
    Pop3,
    /// POP3 over TLS
    Pop3s,
}

/// Runs the suite.
pub(super) fn verify(verify: &Verify) -> Result<u8, Error> {
    if verify.schema {
        print::line(format_args!("{:#}", report::schema()))?;
        return Ok(AS_EXPECTED);
    }
    let speaks = (!verify.list).then(|| verify.speaks.speaks());
    let chosen = suite::choose(Suite::Verify, &verify.suite, speaks)?;
    if verify.list {
        return list(&chosen);
    }
    let program = verify.client.first().map(String::as_str).unwrap_or_default();
    if program != "mitmlab" {
        find(program, std::env::var_os("PATH").as_deref()).map_err(|missing| Error::Usage(missing.to_string()))?;
    }
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
    tell(verify, &done)?;
    Ok(exit_code(&done))
}

fn cases(verify: &Verify, chosen: &Chosen) -> Result<Vec<VerifyCase>, Error> {
    let claims = verify.claims();
    let lacks = |found: &Found| found.case.needs.iter().copied().find(|need| *need != Need::Sealed && !claims.contains(need));
    let runs: Vec<&Found> = chosen.cases.iter().filter(|found| lacks(found).is_none()).collect();
    let words = |_: &Found| {
        let trust = verify.trust.map(|trust| ["--trust".to_owned(), trust.to_string()]);
        let client = std::iter::once("--".to_owned()).chain(verify.client.iter().cloned());
        trust.into_iter().flatten().chain(client).map(Into::into).collect()
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
    let speaks = ("speaks".to_owned(), verify.speaks.speaks().to_string());
    let network = ("network".to_owned(), network_word(verify.suite.network.network).to_owned());
    trust.into_iter().chain(claims).chain([speaks, network]).collect()
}

fn list(chosen: &Chosen) -> Result<u8, Error> {
    let width = chosen.cases.iter().map(|found| found.name.len()).max().unwrap_or(0);
    for Found { name, case, .. } in &chosen.cases {
        let must = case.must.map_or("maybe", Must::as_str);
        print::line(format_args!("{name:width$}  {must:6}  {:11}  {}", case.speaks, case.reason))?;
    }
    Ok(AS_EXPECTED)
}

fn tell(verify: &Verify, done: &VerifyReport) -> Result<(), Error> {
    print::out(&super::report::render(verify.format, done)?)?;
    let write = |file: &Option<PathBuf>, format| match file {
        Some(file) => std::fs::write(file, super::report::render(format, done)?)
            .map_err(|e| Error::Usage(format!("cannot write `{}`: {e}", file.display()))),
        None => Ok(()),
    };
    write(&verify.junit, Format::Junit)?;
    write(&verify.tap, Format::Tap)?;
    write(&verify.json, Format::Json)?;
    write(&verify.html, Format::Html)
}

impl Verify {
    /// What the client claims.
    fn claims(&self) -> Vec<Need> {
        let all = [
            (self.pinned, Need::Pin),
            (self.ct, Need::Ct),
            (self.revocation, Need::Revocation),
            (self.blocklist, Need::Blocklist),
        ];
        all.into_iter().filter(|(claimed, _)| *claimed).map(|(_, need)| need).collect()
    }
}

impl SpeaksArg {
    fn speaks(self) -> Speaks {
        match self {
            Self::Https => Speaks::Https,
            Self::Submission => Speaks::Submission,
            Self::Submissions => Speaks::Submissions,
            Self::Imap => Speaks::Imap,
            Self::Imaps => Speaks::Imaps,
            Self::Pop3 => Speaks::Pop3,
            Self::Pop3s => Speaks::Pop3s,
        }
    }
}
