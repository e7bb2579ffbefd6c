//! The box changes its mind while the lab is up.  `cargo run --example rules_at_runtime`

use mitmlab::error::Error;
use mitmlab::lab::Lab;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await?;
    let curl = || lab.client(["curl", "-sS", "-o", "/dev/null", "{url}"]).url("https://good.badtls.test/");
    curl().run().await?.assert_untouched("good.badtls.test");
    lab.add_rule(None, None, "name = \"cut\"\naction = { reset = {} }\nmatch = { sni = \"good.badtls.test\" }")?;
    curl().run().await?.assert_blocked("good.badtls.test");
    lab.reset_rules();
    curl().run().await?.assert_untouched("good.badtls.test");
    println!("untouched, blocked, untouched");
    Ok(())
}
