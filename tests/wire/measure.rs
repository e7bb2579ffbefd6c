//! How fast the wire is, beside the same links routed by the kernel alone (port 444 is not diverted).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use super::stage::{Stage, at_client};
use super::trials::Named;

/// Only when asked for: figures, not claims.
pub(crate) const MEASUREMENTS: &[Named] = &[("measure_bulk", measure_bulk), ("measure_connections", measure_connections)];

fn measure_bulk(stage: &Stage) {
    for address in ["93.184.9.6:444", "93.184.9.6:443", "93.184.9.6:444", "93.184.9.6:443"] {
        let mut stream = stage.dial(address.parse().unwrap());
        let block = vec![7; 1 << 20];
        let begun = Instant::now();
        let count = 3_000;
        for _ in 0..count {
            stream.write_all(&block).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let rate = f64::from(count) * 1.048_576e-3 / begun.elapsed().as_secs_f64();
        println!("{address} ({}): {rate:.2} GB/s", if address.ends_with('4') { "routed" } else { "diverted" });
    }
}

fn measure_connections(stage: &Stage) {
    for address in ["93.184.9.1:444", "93.184.9.1:443", "93.184.9.1:444", "93.184.9.1:443"] {
        let to: SocketAddr = address.parse().unwrap();
        let begun = Instant::now();
        let mut worst = Duration::ZERO;
        let count = 2_000;
        at_client(move || {
            for _ in 0..count {
                let one = Instant::now();
                let mut stream = std::net::TcpStream::connect(to).unwrap();
                stream.write_all(b"hello\n").unwrap();
                stream.read_exact(&mut [0; 6]).unwrap();
                worst = worst.max(one.elapsed());
            }
            println!("{to}: {:.0} us each, worst {worst:?}", begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
        });
    }
    let _ = stage;
}
