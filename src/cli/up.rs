//! `mitmlab up`: a lab that stays up behind an explicit proxy, for clients that are started elsewhere.

use std::time::Duration;

use super::Up;
use super::exec::when;
use super::network::{Chosen, interrupted, runtime};
use super::scenario::load;
use crate::error::Error;
use crate::forge::pem;
use crate::lab::{Door, Lab};
use crate::scenario::Plan;

/// Starts the lab and keeps it up until the user has had enough.
pub(super) fn up(options: &Up) -> Result<u8, Error> {
    let plan = load(&options.scenario)?;
    let chosen = Chosen::choose(options.network.network)?;
    let runtime = runtime()?;
    let code = runtime.block_on(stay_up(options, plan, &chosen));
    runtime.shutdown_timeout(Duration::from_millis(500));
    code
}

async fn stay_up(options: &Up, plan: Plan, chosen: &Chosen) -> Result<u8, Error> {
    let (phase, clock) = when(options.phase.as_deref(), options.at.as_deref(), &plan)?;
    let lab = Lab::start(plan, chosen.on()).await?;
    write_root(options, &lab).await?; // whoever can connect finds the root written
    let door = lab.front(Door { port: options.proxy_port, phase, clock, vantage: options.vantage }).await?;
    anstream::eprintln!("mitmlab: scenario `{}`, phase `{}`", lab.plan().name, lab.plan().phases[phase].name);
    anstream::eprintln!("mitmlab: proxy at http://{} (HTTP CONNECT, plain HTTP, SOCKS5); Ctrl-C ends it", door.address());
    interrupted().await;
    Ok(crate::error::AS_EXPECTED)
}

async fn write_root(options: &Up, lab: &Lab) -> Result<(), Error> {
    let Some(file) = &options.root else { return Ok(()) };
    let Some(root) = lab.authority_root().await? else {
        return Err(Error::Usage(format!("scenario `{}` has no authority, so there is no root to write", lab.plan().name)));
    };
    std::fs::write(file, pem::write(&root)).map_err(|e| Error::machine(format!("write the root to `{}`", file.display()), e))
}
