//! `google-sheets4` with `yup-oauth2`: Google's generated client, and the device flow in its form of before RFC 8628.

use std::{future::Future, pin::Pin};

use google_sheets4::{
    Error, Sheets,
    api::{
        AddSheetRequest, AppendCellsRequest, BatchUpdateSpreadsheetRequest, CellData, CreateDeveloperMetadataRequest,
        DataFilter, DeveloperMetadata, DeveloperMetadataLocation, DeveloperMetadataLookup, ExtendedValue, Request,
        RowData, Scope, SearchDeveloperMetadataRequest, SheetProperties, Spreadsheet, SpreadsheetProperties, ValueRange,
    },
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use peers::{CLIENT_ID, CLIENT_SECRET, DRIVE_FILE, OWNER, Outcome, connector, control, make_client, url};
use serde_json::json;
use yup_oauth2::{
    ApplicationSecret, DeviceFlowAuthenticator,
    authenticator_delegate::{DeviceAuthResponse, DeviceFlowDelegate},
};

/// The person who reads the code from the screen and allows it.
struct Person;

impl DeviceFlowDelegate for Person {
    fn present_user_code<'a>(
        &'a self,
        answer: &'a DeviceAuthResponse,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            assert!(answer.verification_uri.ends_with("/device"), "{answer:?}");
            let approval = json!({"user_code": answer.user_code, "account": OWNER});
            control("approve", &approval).await.expect("the code is waiting");
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    make_client().await?;
    let secret = ApplicationSecret {
        client_id: CLIENT_ID.into(),
        client_secret: CLIENT_SECRET.into(),
        token_uri: format!("{}/token", url()),
        ..Default::default()
    };
    let client = Client::builder(TokioExecutor::new()).build(connector()?);
    let client = yup_oauth2::client::CustomHyperClientBuilder::from(client);
    let authenticator = DeviceFlowAuthenticator::with_client(secret, client)
        .device_code_url(format!("{}/device/code", url()))
        .flow_delegate(Box::new(Person))
        .build()
        .await?;
    let token = authenticator.token(&[DRIVE_FILE]).await?;
    assert!(token.token().is_some_and(|token| token.starts_with("ya29.")), "an access token like Google's");

    let mut hub = Sheets::new(Client::builder(TokioExecutor::new()).build(connector()?), authenticator);
    hub.base_url(format!("{}/", url()));
    let sheets = hub.spreadsheets();

    let title = SpreadsheetProperties { title: Some("From Rust".into()), ..Default::default() };
    let wanted = Spreadsheet { properties: Some(title), ..Default::default() };
    let (_, made) = sheets.create(wanted).add_scope(Scope::DriveFile).doit().await?;
    let id = made.spreadsheet_id.ok_or("no id")?;

    // Rows with a marker, all or nothing; the second time the marker is there already.
    let text = |text: &str| CellData {
        user_entered_value: Some(ExtendedValue { string_value: Some(text.into()), ..Default::default() }),
        ..Default::default()
    };
    let marker = DeveloperMetadata {
        metadata_id: Some(7),
        metadata_key: Some("batch".into()),
        visibility: Some("DOCUMENT".into()),
        location: Some(DeveloperMetadataLocation { spreadsheet: Some(true), ..Default::default() }),
        ..Default::default()
    };
    let rows = vec![RowData { values: Some(vec![text("door"), text("=1+1")]) }];
    let batch = BatchUpdateSpreadsheetRequest {
        requests: Some(vec![
            Request {
                create_developer_metadata: Some(CreateDeveloperMetadataRequest { developer_metadata: Some(marker) }),
                ..Default::default()
            },
            Request {
                append_cells: Some(AppendCellsRequest {
                    sheet_id: Some(0),
                    rows: Some(rows),
                    fields: "userEnteredValue".parse().ok(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Request {
                add_sheet: Some(AddSheetRequest {
                    properties: Some(SheetProperties { title: Some("More".into()), ..Default::default() }),
                }),
                ..Default::default()
            },
        ]),
        ..Default::default()
    };
    let (_, reply) = sheets.batch_update(batch.clone(), &id).add_scope(Scope::DriveFile).doit().await?;
    let replies = reply.replies.unwrap_or_default();
    assert_eq!(replies.len(), 3, "one reply a request");
    let added = replies[2].add_sheet.as_ref().and_then(|reply| reply.properties.as_ref());
    assert_eq!(added.and_then(|properties| properties.title.as_deref()), Some("More"));
    match sheets.batch_update(batch, &id).add_scope(Scope::DriveFile).doit().await {
        Err(Error::BadRequest(error)) => assert!(error.to_string().contains("already exists"), "{error}"),
        other => panic!("the marker was taken twice: {other:?}"),
    }
    let search = SearchDeveloperMetadataRequest {
        data_filters: Some(vec![DataFilter {
            developer_metadata_lookup: Some(DeveloperMetadataLookup { metadata_id: Some(7), ..Default::default() }),
            ..Default::default()
        }]),
    };
    let (_, found) = sheets.developer_metadata_search(search, &id).add_scope(Scope::DriveFile).doit().await?;
    assert_eq!(found.matched_developer_metadata.unwrap_or_default().len(), 1);

    let row = ValueRange { values: Some(vec![vec!["=1+1".into(), 2.into()]]), ..Default::default() };
    sheets.values_append(row, &id, "Sheet1!A1").value_input_option("USER_ENTERED").add_scope(Scope::DriveFile).doit().await?;
    let (_, read) = sheets.values_get(&id, "Sheet1!A1:B2").add_scope(Scope::DriveFile).doit().await?;
    assert_eq!(read.values, Some(vec![vec!["door".into(), "=1+1".into()], vec!["2".into(), "2".into()]]));

    control("revoke", &json!({"account": OWNER})).await?;
    assert!(sheets.get(&id).add_scope(Scope::DriveFile).doit().await.is_err(), "a revoked grant still reads");
    Ok(())
}
