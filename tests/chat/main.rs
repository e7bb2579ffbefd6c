//! Chats and real servers under the box, by real clients: Python's websocket-client and websockets, Node, slixmpp, curl and the lab's own, each strict
//! and lax, in both networks. One run of the program for each network, on a scenario that is put together here, and its report as a table.
//!
//! A client that is not on this machine is left out with a word, and is a failure under `CI=true`. Accept a changed table with
//! `INSTA_UPDATE=always`.

mod members;
#[cfg(unix)]
mod missing;
mod played;
mod rows;

use played::play;

#[test]
fn clients_of_chats_and_real_servers_in_the_sealed_network() {
    shown("sealed");
}

#[test]
fn clients_of_chats_and_real_servers_in_the_proxy_network() {
    shown("proxy");
}

fn shown(network: &str) {
    let Some(run) = play(network) else { return };
    println!("{}", run.table());
    run.all_as_expected();
    if run.is_whole() {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
            insta::assert_snapshot!(format!("chat_{network}"), run.table());
        });
    }
}
