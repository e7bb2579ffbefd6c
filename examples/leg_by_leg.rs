//! One client, three legs: without the root, with it, and beyond the box.  `cargo run --example leg_by_leg`

use mitmlab::error::Error;
use mitmlab::lab::Lab;
use mitmlab::scenario::{Trust, Vantage};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let lab = Lab::builder().scenario("client-that-checks-nothing-is-exposed").start().await?;
    let curl = || lab.client(["curl", "-sS", "-o", "/dev/null", "{url}"]).url("https://www.facebook.com/");
    for (what, client) in [
        ("nothing installed", curl()),
        ("root installed", curl().trust(Trust::WebAuthority)),
        ("beyond the box", curl().vantage(Vantage::Outside)),
    ] {
        let verdict = client.run().await?.verdict("www.facebook.com");
        println!("{what:18} {:14} {}", verdict.verdict, verdict.signal);
    }
    Ok(())
}
