//! `mitmlab doctor`: what this machine can do, tried for real, and the remedy for each no.

use super::print;
use crate::client::{find, presets};
use crate::error::{AS_EXPECTED, Error, MACHINE};

/// Prints it; 3 if the sealed network does not work here.
pub(super) fn doctor(json: bool) -> Result<u8, Error> {
    let clients: Vec<(&str, bool)> = presets::programs().map(|name| (name, is_here(name))).collect();
    #[cfg(target_os = "linux")]
    {
        use crate::network::sealed::doctor::{examine, is_sufficient};
        let capabilities = examine();
        let sealed = is_sufficient(&capabilities);
        if json {
            let told = capabilities
                .iter()
                .map(|c| serde_json::json!({ "name": c.name, "works": c.works, "needed": c.needed, "detail": c.detail, "remedy": c.remedy }))
                .collect();
            print_json(sealed, told, &clients)?;
        } else {
            for c in &capabilities {
                print::line(format_args!("{:3}  {}: {}", if c.works { "yes" } else { "no" }, c.name, c.detail))?;
                if let Some(remedy) = c.remedy.as_ref().filter(|_| !c.works) {
                    print::line(format_args!("     remedy: {remedy}"))?;
                }
            }
            print_end(sealed, &clients)?;
        }
        Ok(if sealed { AS_EXPECTED } else { MACHINE })
    }
    #[cfg(not(target_os = "linux"))]
    {
        if json {
            print_json(false, Vec::new(), &clients)?;
        } else {
            print::line("no   sealed network: it needs Linux")?;
            print_end(false, &clients)?;
        }
        Ok(MACHINE)
    }
}

fn print_json(sealed: bool, capabilities: Vec<serde_json::Value>, clients: &[(&str, bool)]) -> Result<(), Error> {
    let clients: serde_json::Map<_, _> = clients.iter().map(|(name, here)| ((*name).to_owned(), (*here).into())).collect();
    let told = serde_json::json!({ "sealed": sealed, "proxy": true, "capabilities": capabilities, "clients": clients });
    print::line(format_args!("{told:#}"))
}

fn print_end(sealed: bool, clients: &[(&str, bool)]) -> Result<(), Error> {
    let word = if sealed { "works" } else { "does not work" };
    print::line(format_args!("\nThe sealed network {word} here. The proxy network works everywhere."))?;
    let named = |here: bool| clients.iter().filter(|c| c.1 == here).map(|c| c.0).collect::<Vec<_>>().join(" ");
    print::line(format_args!("Clients found: {}\nNot found:     {}", named(true), named(false)))
}

fn is_here(program: &str) -> bool {
    find(program, std::env::var_os("PATH").as_deref()).is_ok()
}
