//! The emulator on a port, without the command line around it:
//! `cargo run --example serve -- 127.0.0.1:8085 [APPROVE_AS [DATA [CERTIFICATE]]]`. An argument that is empty is none;
//! with a certificate file it speaks TLS.

use google_emulator::{Options, Server, ServerOptions, Tls};

fn main() -> Result<(), google_emulator::StartError> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8085".into());
    let mut next = || arguments.next().filter(|argument| !argument.is_empty());
    let model = Options { approve_as: next(), ..Options::default() };
    let data = next().map(Into::into);
    let tls = next().map(|file| Tls { certificate: Some(file.into()), names: Vec::new() });
    let server = Server::start(&listen, ServerOptions { model, data, tls, ..ServerOptions::default() })?;
    println!("listening on {}", server.url());
    loop {
        std::thread::park();
    }
}
