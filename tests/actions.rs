//! What the box does, seen from the clients' side: every action with curl, Python, Node and Java, their own errors as a table, and the
//! lab's truth for the same connection. Then rates, chances, hours, residuals, and odd clients.
//!
//! Each trial writes a scenario and runs the program itself. Where the sealed network does not work, every trial is reported as
//! ignored; with `CI=true` that is a failure.

#[cfg(target_os = "linux")]
#[path = "actions/lab.rs"]
mod lab;
#[cfg(target_os = "linux")]
#[path = "actions/odd.rs"]
mod odd;
#[cfg(target_os = "linux")]
#[path = "actions/quic.rs"]
mod quic;
#[cfg(target_os = "linux")]
#[path = "actions/rates.rs"]
mod rates;
#[cfg(target_os = "linux")]
#[path = "actions/table.rs"]
mod table;
#[cfg(target_os = "linux")]
#[path = "actions/time.rs"]
mod time;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Failed, Trial};

    type Run = fn() -> Result<(), Failed>;
    let ignored = !lab::works() && std::env::var_os("CI").is_none();
    let all: [(&str, Run); 18] = [
        ("every_action_as_clients_report_it", table::every_action),
        ("every_action_through_the_proxy", table::every_action_of_a_stream),
        ("names_that_lie_as_clients_report_them", table::every_dns_trick),
        ("throttles_keep_their_rates_and_leave_neighbours_alone", rates::sealed),
        ("throttles_of_a_stream_keep_theirs_too", rates::proxy),
        ("a_schedule_flips_at_its_minute", time::schedule),
        ("a_chance_is_the_same_for_a_seed", time::chance),
        ("the_clock_of_exec_chooses_the_phase", time::exec_at),
        ("a_fast_clock_flips_hours_and_enters_phases", time::speed),
        ("http3_is_passed_or_dropped_into_a_forgeable_fallback", quic::fallback),
        ("a_browser_speaks_http3_or_falls_back", quic::browser),
        ("a_hello_in_quic_decides", quic::hellos),
        ("https_records_are_stripped_on_the_way", quic::stripped),
        ("a_residual_drop_outlives_its_connection", odd::residual),
        ("odd_clients_do_not_hurt_the_box", odd::clients),
        ("odd_dns_is_answered_or_dropped", odd::dns),
        ("ipv6_is_blocked_too", odd::ipv6),
        ("a_scenario_that_has_rotten_fails_with_its_line", odd::rotten),
    ];
    let trials = all.map(|(name, run)| Trial::test(name, run).with_ignored_flag(ignored)).into_iter().collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4); // each trial is a lab of its own, and most of it is waiting
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
