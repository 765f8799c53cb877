//! Google's own `google-sheets4`, with the device's sign-in, against the emulator. With Google itself leave `base_url`
//! and the emulator out, and open the device from its configuration.

use std::error::Error;

use google_emulator::{Options, Server, ServerOptions};
use google_sheets4::Sheets;
use google_sheets4::api::{Scope, Spreadsheet, SpreadsheetProperties, ValueRange};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rowkeeper::Device;
use rowkeeper::clock::Stop;
use rowkeeper::config::Config;
use rowkeeper::session::Asked;
use rowkeeper_google_apis::DeviceToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options { approve_as: Some("maker@example.com".into()), ..Options::default() };
    let emulator = Server::start("127.0.0.1:0", ServerOptions { model: options, ..ServerOptions::default() })?;
    let state = tempfile::tempdir()?;
    let device = Device::open(Config::parse("", None, state.path().into(), Some(emulator.url()))?)?;
    // Once, by `rowkeeper sign-in`, or by the daemon.
    device.session().sign_in(Asked::ByPerson, &mut |event| println!("{event:?}"), &Stop::new())?;

    let https = hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(https);
    let mut hub = Sheets::new(client, DeviceToken::new(device.session()));
    hub.base_url(format!("{}/", emulator.url()));

    let title = SpreadsheetProperties { title: Some("From google-sheets4".into()), ..Default::default() };
    let wanted = Spreadsheet { properties: Some(title), ..Default::default() };
    let (_, made) = hub.spreadsheets().create(wanted).add_scope(Scope::DriveFile).doit().await?;
    let id = made.spreadsheet_id.ok_or("no id")?;
    let row = ValueRange { values: Some(vec![vec!["door".into(), "open".into()]]), ..Default::default() };
    hub.spreadsheets()
        .values_append(row, &id, "A1")
        .value_input_option("RAW")
        .add_scope(Scope::DriveFile)
        .doit()
        .await?;
    let (_, read) = hub.spreadsheets().values_get(&id, "A1:B1").add_scope(Scope::DriveFile).doit().await?;
    println!("{:?}", read.values);
    assert_eq!(read.values, Some(vec![vec!["door".into(), "open".into()]]));
    Ok(())
}
