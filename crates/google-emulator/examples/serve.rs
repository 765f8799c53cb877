//! The emulator on a port, without the command line around it: `cargo run --example serve -- 127.0.0.1:8085`.

use google_emulator::{Options, Server, ServerOptions};

fn main() -> Result<(), google_emulator::StartError> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8085".into());
    let model = Options { approve_as: arguments.next(), ..Options::default() };
    let data = arguments.next().map(Into::into);
    let server = Server::start(&listen, ServerOptions { model, data, ..ServerOptions::default() })?;
    println!("listening on {}", server.url());
    loop {
        std::thread::park();
    }
}
