//! Sheets v4 as a recorder uses it: docs/google.md 3 to 6 and 8.

mod common;

use common::{Sheet, World, append, row};
use google_emulator::{CellValue, Client, Options, Request};
use serde_json::{Value, json};

fn message(reply: &google_emulator::Reply) -> String {
    reply.value()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_new_spreadsheet_is_googles() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let request = Request::json("POST", "/v4/spreadsheets", &json!({"properties": {"title": "t"}}))
        .with_bearer(&tokens.access)
        .with_header("Host", "localhost:1");
    let reply = world.send(&request);
    let body = reply.value();
    let id = body["spreadsheetId"].as_str().unwrap();
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(body["spreadsheetUrl"], format!("http://localhost:1/spreadsheets/d/{id}/edit"));
    assert_eq!(body["sheets"][0]["properties"]["gridProperties"], json!({"rowCount": 1000, "columnCount": 26}));
    assert_eq!(body["sheets"][0]["properties"]["title"], "Sheet1");
    assert_eq!(body["properties"]["autoRecalc"], "ON_CHANGE");
}

#[test]
fn credentials_are_checked_first_and_in_googles_words() {
    let mut world = World::new();
    let path = "/v4/spreadsheets/x:batchUpdate";
    let mut broken = Request::new("POST", path);
    broken.body = b"{".to_vec();
    let reply = world.send(&broken);
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"https://accounts.google.com/\""));
    assert_eq!(reply.value()["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(
        reply.value()["error"]["details"][0],
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CREDENTIALS_MISSING",
            "domain": "googleapis.com",
            "metadata": {
                "method": "google.apps.sheets.v4.SpreadsheetsService.BatchUpdateSpreadsheet",
                "service": "sheets.googleapis.com",
            },
        })
    );
    let reply = world.send(&broken.clone().with_bearer("ya29.dead"));
    let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(challenge)));
    assert!(reply.value()["error"].get("details").is_none());
}

#[test]
fn a_disabled_api_says_where_to_enable_it() {
    let client = Client { sheets_api_enabled: false, ..Client::default() };
    let mut world = World::with(Options { clients: vec![client], ..Options::default() });
    let tokens = world.sign_in();
    let reply = world.call(&tokens, "POST", "/v4/spreadsheets", &json!({}));
    assert_eq!(reply.status, 403);
    assert_eq!(reply.value()["error"]["details"][0]["reason"], "SERVICE_DISABLED");
    assert!(message(&reply).starts_with("Google Sheets API has not been used in project 123456789012 before"));
}

#[test]
fn what_is_not_ours_is_not_found() {
    let mut world = World::new();
    let id = world.sheet().id;
    let stranger = world.sign_in_as("stranger@example.com");
    let body = json!({"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}});
    let reply = world.get(&stranger, &format!("/v4/spreadsheets/{id}"));
    assert_eq!((reply.status, reply.value()), (404, body.clone()));
    let owner = world.sign_in();
    assert_eq!(world.get(&owner, &format!("/v4/spreadsheets/{id}")).status, 200);
    world.model.set_read_only(&id, true).unwrap();
    let write = world.call(&owner, "POST", &format!("/v4/spreadsheets/{id}:batchUpdate"), &json!({"requests": []}));
    assert_eq!((write.status, message(&write).as_str()), (403, "The caller does not have permission"));
    world.model.delete_spreadsheet(&id);
    assert_eq!(world.get(&owner, &format!("/v4/spreadsheets/{id}")).value(), body);
}

#[test]
fn another_project_of_the_same_owner_sees_nothing() {
    let other = Client { client_id: "other".into(), project_number: "2".into(), ..Client::default() };
    let mut world = World::with(Options { clients: vec![other], ..Options::default() });
    let id = world.sheet().id;
    let scope = [("client_id", "other"), ("scope", common::DRIVE_FILE)];
    let code = world.form("/device/code", &scope).value();
    world.model.approve(code["user_code"].as_str().unwrap(), common::OWNER).unwrap();
    let fields = [
        ("client_id", "other"),
        ("client_secret", google_emulator::CLIENT_SECRET),
        ("device_code", code["device_code"].as_str().unwrap()),
        ("grant_type", common::DEVICE_GRANT),
    ];
    let access = world.form("/token", &fields).value()["access_token"].as_str().unwrap().to_owned();
    let request = Request::new("GET", &format!("/v4/spreadsheets/{id}")).with_bearer(&access);
    assert_eq!(world.send(&request).status, 404);
}

#[test]
fn rows_land_typed_below_the_last_row_with_data() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let replies = sheet.apply(json!([append(&[row(&[json!("when"), json!("value")])])]));
    assert_eq!(replies, json!([{}]));
    sheet
        .apply(json!([append(&[row(&[json!(46348.5), json!("=1+1")]), row(&[json!(true), Value::Null, json!("x")])])]));
    assert_eq!(sheet.values("Log"), json!([["when", "value"], [46348.5, "=1+1"], [true, "", "x"]]));
    let id = sheet.id.clone();
    let rows = world.model.rows(&id, "Log").unwrap();
    assert_eq!(rows[1], [CellValue::Number(46348.5), CellValue::Text("=1+1".into())]);
}

#[test]
fn the_grid_grows_for_rows_and_not_for_columns() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let rows: Vec<Value> = (0..25).map(|n| row(&[json!(n)])).collect();
    sheet.apply(json!([append(&rows)]));
    let grid = |sheet: &mut Sheet<'_>| {
        sheet.get("?fields=sheets.properties.gridProperties").value()["sheets"][0]["properties"]["gridProperties"]
            .clone()
    };
    assert_eq!(grid(&mut sheet), json!({"rowCount": 25, "columnCount": 4}));
    let wide = row(&[1.into(), 2.into(), 3.into(), 4.into(), 5.into()]);
    let refusal = sheet.refused(json!([append(std::slice::from_ref(&wide))]));
    assert!(refusal.starts_with("Invalid requests[0].appendCells: "), "{refusal}");
    let grow = json!({"appendDimension": {"sheetId": 7, "dimension": "COLUMNS", "length": 1}});
    sheet.apply(json!([grow, append(&[wide])]));
    assert_eq!(grid(&mut sheet), json!({"rowCount": 26, "columnCount": 5}));
}

#[test]
fn a_batch_is_all_or_nothing() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("old")])])]));
    let id = sheet.id.clone();
    let before = sheet.get("?includeGridData=true").value();
    let changes = json!([
        append(&[row(&[json!("new")])]),
        {"createDeveloperMetadata": {"developerMetadata":
            {"metadataId": 5, "metadataKey": "k", "location": {"spreadsheet": true}, "visibility": "DOCUMENT"}}},
        {"addSheet": {"properties": {"title": "more"}}},
        {"updateSpreadsheetProperties": {"properties": {"title": "other"}, "fields": "title"}},
        {"insertDimension": {"range": {"sheetId": 7, "dimension": "ROWS", "startIndex": 0, "endIndex": 2}}},
        {"updateCells": {"start": {"sheetId": 7}, "rows": [row(&[json!(1)])], "fields": "*"}},
        {"deleteSheet": {"sheetId": 99}},
    ]);
    assert_eq!(sheet.refused(changes), "Invalid requests[6].deleteSheet: No grid with id: 99");
    assert_eq!(sheet.get("?includeGridData=true").value(), before);
    assert_eq!(world.model.metadata_count(&id), 0);
}

#[test]
fn refusals_name_the_request_at_fault() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let long = "x".repeat(50_001);
    for (requests, expected) in [
        (json!([]), "Must specify at least one request."),
        (
            json!([{"appendCells": {"sheetId": 3, "rows": [], "fields": "*"}}]),
            "Invalid requests[0].appendCells: No grid with id: 3",
        ),
        (
            json!([append(&[]), {"addSheet": {"properties": {"title": "Log"}}}]),
            "Invalid requests[1].addSheet: A sheet with the name \"Log\" already exists. Please enter another name.",
        ),
        (
            json!([{"appendDimension": {"sheetId": 7, "dimension": "ROWS", "length": 2_500_000}}]),
            "Invalid requests[0].appendDimension: This action would increase the number of cells in the workbook above \
             the limit of 10000000 cells.",
        ),
        (
            json!([append(&[row(&[json!(long)])])]),
            "Invalid requests[0].appendCells: Your input contains more than the maximum of 50000 characters in a single \
             cell.",
        ),
        (
            json!([{"updateCells": {"start": {"sheetId": 7, "rowIndex": 10}, "rows": [row(&[json!(1)])], "fields": "*"}}]),
            "Invalid requests[0].updateCells: Range exceeds grid limits. Max rows: 10, max columns: 4",
        ),
    ] {
        assert_eq!(sheet.refused(requests), expected);
    }
    // 50,000 characters are allowed, and characters are not bytes.
    sheet.apply(json!([append(&[row(&[json!("ä".repeat(50_000))])])]));
}

#[test]
fn keys_google_does_not_know_are_refused() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let reply = sheet.post(":batchUpdate", &json!({"request": []}));
    let text = "Invalid JSON payload received. Unknown name \"request\": Cannot find field.";
    assert_eq!((reply.status, message(&reply).as_str()), (400, text));
    assert_eq!(
        reply.value()["error"]["details"][0],
        json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": text}]})
    );
    assert_eq!(sheet.get("?nope=1").status, 400);
    assert_eq!(sheet.get("?fields=nope").status, 400);
}

#[test]
fn quotas_are_per_user_and_minute() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    for _ in 0..59 {
        // Failed writes count too.
        assert_eq!(sheet.batch(json!([])).status, 400);
    }
    let reply = sheet.batch(json!([append(&[])]));
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(
        reply.value(),
        json!({"error": {
            "code": 429,
            "message": "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' \
                        of service 'sheets.googleapis.com' for consumer 'project_number:123456789012'.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
                 "domain": "googleapis.com", "metadata": {
                    "quota_metric": "sheets.googleapis.com/write_requests", "quota_location": "global",
                    "service": "sheets.googleapis.com", "quota_unit": "1/min/{project}/{user}",
                    "quota_limit": "WriteRequestsPerMinutePerUser", "consumer": "projects/123456789012",
                    "quota_limit_value": "60", "window_start_time": "1790000040"}},
                {"@type": "type.googleapis.com/google.rpc.Help", "links": [
                    {"description": "Request a higher quota limit.",
                     "url": "https://cloud.google.com/docs/quotas/help/request_increase"}]},
            ],
        }})
    );
    assert_eq!(sheet.get("").status, 200, "reads have a quota of their own");
    sheet.world.wait(60);
    assert_eq!(sheet.batch(json!([append(&[])])).status, 200);
}

#[test]
fn five_busy_users_exhaust_the_project() {
    let mut world = World::new();
    for user in 0..5 {
        let tokens = world.sign_in_as(&format!("user{user}@example.com"));
        for _ in 0..60 {
            assert_eq!(world.get(&tokens, "/v4/spreadsheets/x").status, 404);
        }
    }
    let tokens = world.sign_in_as("sixth@example.com");
    let reply = world.get(&tokens, "/v4/spreadsheets/x");
    let details = reply.value()["error"]["details"][0]["metadata"].clone();
    assert_eq!(reply.status, 429);
    assert_eq!(details["quota_limit"], "ReadRequestsPerMinutePerProject");
    assert_eq!((&details["quota_unit"], &details["quota_limit_value"]), (&json!("1/min/{project}"), &json!("300")));
}

#[test]
fn values_are_read_in_each_rendering() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let date = json!({
        "userEnteredValue": {"numberValue": 46348.520833333336},
        "userEnteredFormat": {"numberFormat": {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm:ss"}},
    });
    let cells = json!([date, {"userEnteredValue": {"numberValue": 21.5}}, {"userEnteredValue": {"boolValue": true}},
        {"userEnteredValue": {"formulaValue": "=A1"}}]);
    let fields = "userEnteredValue,userEnteredFormat.numberFormat";
    sheet.apply(json!([{"appendCells": {"sheetId": 7, "rows": [{"values": cells}], "fields": fields}}]));
    for (query, expected) in [
        ("", json!([["2026-11-22 12:30:00", "21.5", "TRUE", "2026-11-22 12:30:00"]])),
        ("?valueRenderOption=UNFORMATTED_VALUE", json!([[46348.520833333336, 21.5, true, 46348.520833333336]])),
        (
            "?valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=FORMATTED_STRING",
            json!([["2026-11-22 12:30:00", 21.5, true, "2026-11-22 12:30:00"]]),
        ),
        ("?valueRenderOption=FORMULA", json!([[46348.520833333336, 21.5, true, "=A1"]])),
        ("?majorDimension=COLUMNS", json!([["2026-11-22 12:30:00"], ["21.5"], ["TRUE"], ["2026-11-22 12:30:00"]])),
    ] {
        assert_eq!(sheet.get(&format!("/values/Log!A1:D5{query}")).value()["values"], expected, "{query}");
    }
    let empty = sheet.get("/values/Log!A5:B6").value();
    assert_eq!(empty, json!({"range": "Log!A5:B6", "majorDimension": "ROWS"}));
}

#[test]
fn ranges_of_every_form_are_found() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([
        {"addSheet": {"properties": {"title": "it's 2", "sheetId": 8, "gridProperties": {"rowCount": 3, "columnCount": 3}}}},
        {"updateCells": {"start": {"sheetId": 8}, "rows": [row(&[1.into(), 2.into()]), row(&[3.into(), 4.into()])], "fields": "*"}},
    ]));
    for (range, echoed, values) in [
        ("%27it%27%27s%202%27!A1:B2", "'it''s 2'!A1:B2", json!([[1, 2], [3, 4]])),
        ("%27it%27%27s%202%27", "'it''s 2'!A1:C3", json!([[1, 2], [3, 4]])),
        ("it's 2", "'it''s 2'!A1:C3", json!([[1, 2], [3, 4]])),
        ("%27it%27%27s%202%27!B:B", "'it''s 2'!B1:B3", json!([[2], [4]])),
        ("%27it%27%27s%202%27!2:2", "'it''s 2'!A2:C2", json!([[3, 4]])),
        ("%27it%27%27s%202%27!A2:Z900", "'it''s 2'!A2:C3", json!([[3, 4]])),
    ] {
        let reply = sheet.get(&format!("/values/{range}?valueRenderOption=UNFORMATTED_VALUE")).value();
        assert_eq!((&reply["range"], &reply["values"]), (&json!(echoed), &values), "{range}");
    }
    for (range, expected) in [
        ("Nope!A1", "Unable to parse range: Nope!A1"),
        ("Log!A", "Unable to parse range: Log!A"),
        ("Log!A11", "Range exceeds grid limits. Max rows: 10, max columns: 4"),
    ] {
        let reply = sheet.get(&format!("/values/{range}"));
        assert_eq!((reply.status, message(&reply).as_str()), (400, expected));
    }
}

#[test]
fn values_are_written_and_added_up() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let body = json!({"range": "Log!A1:C2", "values": [["a", null, 1.5], ["=1", true]]});
    let reply = sheet.put("/values/Log!A1:C2?valueInputOption=RAW&includeValuesInResponse=true", &body).value();
    assert_eq!((&reply["updatedRange"], &reply["updatedCells"]), (&json!("Log!A1:C2"), &json!(4)));
    assert_eq!(reply["updatedData"]["values"], json!([["a", "", "1.5"], ["=1", "TRUE"]]));
    let body = json!({"valueInputOption": "USER_ENTERED", "data": [
        {"range": "Log!A3:B3", "values": [["2026-11-22", "7%"]]},
        {"range": "Log!A4", "values": [["x"]]},
    ]});
    let reply = sheet.post("/values:batchUpdate", &body).value();
    assert_eq!((&reply["totalUpdatedCells"], &reply["totalUpdatedRows"]), (&json!(3), &json!(2)));
    assert_eq!(sheet.values("Log!A3:B4"), json!([[46348, 0.07], ["x"]]));
    // One bad range, and nothing is written.
    let body = json!({"valueInputOption": "RAW", "data": [
        {"range": "Log!A5", "values": [["y"]]}, {"range": "Nope!A1", "values": [["z"]]},
    ]});
    assert_eq!(sheet.post("/values:batchUpdate", &body).status, 400);
    assert_eq!(sheet.values("Log!A5"), json!([]));
    assert_eq!(sheet.put("/values/Log!A1?valueInputOption=RAW", &json!({"values": [["", 2]]})).status, 200);
    assert_eq!(sheet.values("Log!A1:B1"), json!([["", 2]]));
    assert_eq!(sheet.put("/values/Log!A1", &json!({"values": [[1]]})).status, 400, "valueInputOption is required");
    let tight = sheet.put("/values/Log!A1:B1?valueInputOption=RAW", &json!({"values": [[1], [2]]}));
    assert_eq!(tight.status, 400);
    assert_eq!(sheet.post("/values/Log!A:D:clear", &json!({})).value()["clearedRange"], "Log!A1:D10");
    assert_eq!(sheet.values("Log"), json!([]));
}

#[test]
fn append_walks_diagonally_as_its_victims_saw() {
    let append_to = |sheet: &mut Sheet<'_>, range: &str, values: Value| {
        sheet.post(&format!("/values/{range}:append?valueInputOption=RAW"), &json!({ "values": values })).value()
    };
    let mut world = World::new();
    let mut sheet = world.sheet();
    let first = append_to(&mut sheet, "Log", json!([["a", "b"]]));
    assert_eq!((first.get("tableRange"), &first["updates"]["updatedRange"]), (None, &json!("Log!A1:B1")));
    let second = append_to(&mut sheet, "Log", json!([["", "d"]]));
    assert_eq!((&second["tableRange"], &second["updates"]["updatedRange"]), (&json!("Log!A1:B1"), &json!("Log!A2:B2")));
    // The last row starts with a blank: from the whole tab the next row starts further right.
    let third = append_to(&mut sheet, "Log", json!([["e"]]));
    assert_eq!(third["updates"]["updatedRange"], "Log!B3");
    // From a cell of the table it does not.
    let fourth = append_to(&mut sheet, "Log!A1", json!([["f"]]));
    assert_eq!((&fourth["tableRange"], &fourth["updates"]["updatedRange"]), (&json!("Log!A1:B3"), &json!("Log!A4")));
}

#[test]
fn inserting_append_moves_what_lies_below() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let body = json!({"values": [["a"], [], ["note"]]});
    assert_eq!(sheet.put("/values/Log!A1:A3?valueInputOption=RAW", &body).status, 200);
    let path = "/values/Log!A1:append?valueInputOption=RAW&insertDataOption=INSERT_ROWS";
    assert_eq!(sheet.post(path, &json!({"values": [["b"], ["c"]]})).status, 200);
    assert_eq!(sheet.values("Log"), json!([["a"], ["b"], ["c"], [], ["note"]]));
}

#[test]
fn formats_are_kept_replaced_or_left_alone_by_the_mask() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let bold = json!({"userEnteredFormat": {"textFormat": {"bold": true}, "numberFormat": {"type": "NUMBER"}}});
    let range = json!({"sheetId": 7, "startRowIndex": 0, "endRowIndex": 3});
    sheet.apply(json!([{"repeatCell": {"range": range, "cell": bold, "fields": "userEnteredFormat"}}]));
    let write = |fields: &str| json!([{"updateCells": {"start": {"sheetId": 7}, "rows": [row(&[json!(1)])], "fields": fields}}]);
    let format = |sheet: &mut Sheet<'_>| {
        let fields = "sheets.data.rowData.values.userEnteredFormat";
        sheet.get(&format!("?ranges=Log!A1&fields={fields}")).value()["sheets"][0]["data"][0]["rowData"][0]["values"][0]
            ["userEnteredFormat"]
            .clone()
    };
    sheet.apply(write("userEnteredValue"));
    assert_eq!(format(&mut sheet), json!({"textFormat": {"bold": true}, "numberFormat": {"type": "NUMBER"}}));
    sheet.apply(write("userEnteredFormat.numberFormat"));
    assert_eq!(format(&mut sheet), json!({"textFormat": {"bold": true}}));
    sheet.apply(write("*"));
    assert_eq!(format(&mut sheet), Value::Null);
    assert_eq!(sheet.values("Log"), json!([[1]]), "formats are no data");
    assert!(sheet.refused(write("")).contains("At least one field must be listed in 'fields'"));
    assert!(sheet.refused(write("colour")).contains("colour"));
}

#[test]
fn the_reply_can_carry_the_sheet() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let body = json!({
        "requests": [append(&[row(&[json!("when"), json!("value")])])],
        "includeSpreadsheetInResponse": true, "responseRanges": ["Log!1:1"], "responseIncludeGridData": true,
    });
    let reply = sheet.post(":batchUpdate", &body).value();
    assert_eq!(reply["commentUpdateState"], "NO_UPDATES_REQUESTED");
    let data = &reply["updatedSpreadsheet"]["sheets"][0]["data"][0];
    assert_eq!(data["rowData"][0]["values"][1]["formattedValue"], "value");
    assert_eq!(data["columnMetadata"].as_array().unwrap().len(), 4);
    // A field mask leaves the rest out.
    let body = json!({"requests": [append(&[])], "includeSpreadsheetInResponse": true});
    let reply = sheet.post(":batchUpdate?fields=updatedSpreadsheet.spreadsheetId", &body).value();
    assert_eq!(reply, json!({"updatedSpreadsheet": {"spreadsheetId": sheet.id}}));
}

#[test]
fn rows_and_columns_come_go_and_move() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[
        row(&[json!("b"), 2.into(), json!("x")]),
        row(&[json!("a"), 1.into(), json!("y")]),
        row(&[json!("c"), Value::Null, json!("z")]),
    ])]));
    let range = |dimension: &str, start: u64, end: u64| json!({"sheetId": 7, "dimension": dimension, "startIndex": start, "endIndex": end});
    let mut step = |request: Value, expected: Value| {
        sheet.apply(json!([request]));
        assert_eq!(sheet.values("Log"), expected, "{request}");
    };
    let area = json!({"sheetId": 7});
    step(
        json!({"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]}}),
        json!([["a", 1, "y"], ["b", 2, "x"], ["c", "", "z"]]),
    );
    step(
        json!({"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": 1, "sortOrder": "DESCENDING"}]}}),
        json!([["b", 2, "x"], ["a", 1, "y"], ["c", "", "z"]]),
    );
    step(
        json!({"moveDimension": {"source": range("COLUMNS", 0, 1), "destinationIndex": 3}}),
        json!([[2, "x", "b"], [1, "y", "a"], ["", "z", "c"]]),
    );
    step(
        json!({"moveDimension": {"source": range("ROWS", 2, 3), "destinationIndex": 0}}),
        json!([["", "z", "c"], [2, "x", "b"], [1, "y", "a"]]),
    );
    step(
        json!({"insertDimension": {"range": range("COLUMNS", 1, 2)}}),
        json!([["", "", "z", "c"], [2, "", "x", "b"], [1, "", "y", "a"]]),
    );
    step(json!({"deleteDimension": {"range": range("COLUMNS", 0, 2)}}), json!([["z", "c"], ["x", "b"], ["y", "a"]]));
    step(json!({"deleteDimension": {"range": range("ROWS", 1, 2)}}), json!([["z", "c"], ["y", "a"]]));
    step(
        json!({"updateSheetProperties": {"properties": {"sheetId": 7, "gridProperties": {"rowCount": 1}},
            "fields": "gridProperties.rowCount"}}),
        json!([["z", "c"]]),
    );
}

#[test]
fn a_person_can_play_in_the_sheet() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("h")]), row(&[json!("b")]), row(&[json!("a")])])]));
    let id = sheet.id.clone();
    let model = &mut world.model;
    model.sort(&id, "Log", 1, 0, false).unwrap();
    model.type_in(&id, "Log", 1, 2, "21.5").unwrap();
    model.insert_column(&id, "Log", 0).unwrap();
    model.move_column(&id, "Log", 1, 0).unwrap();
    model.insert_rows(&id, "Log", 0, 1).unwrap();
    model.delete_rows(&id, "Log", 0..1).unwrap();
    model.rename_tab(&id, "Log", "Journal").unwrap();
    let text = |text: &str| CellValue::Text(text.into());
    let rows = model.rows(&id, "Journal").unwrap();
    let empty = || CellValue::Empty;
    assert_eq!(rows, [vec![text("h")], vec![text("a"), empty(), empty(), CellValue::Number(21.5)], vec![text("b")]]);
    assert!(model.rows(&id, "Log").is_none());
}

#[test]
fn a_snapshot_is_a_clone() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("kept")])])]));
    let id = sheet.id.clone();
    let snapshot = world.model.clone();
    world.model.delete_rows(&id, "Log", 0..1).unwrap();
    assert_eq!(world.model.rows(&id, "Log").unwrap().len(), 0);
    assert_eq!(snapshot.rows(&id, "Log").unwrap(), [[CellValue::Text("kept".into())]]);
}

#[test]
fn a_line_inserted_in_a_table_is_appended_into() {
    // gspread's `insert_row`, which inserts a blank line and then appends at it.
    for (line, above) in [(0, "A1"), (1, "A2"), (3, "A4")] {
        let mut world = World::new();
        let mut sheet = world.sheet();
        sheet.apply(json!([append(&[row(&[json!("name")]), row(&[json!("salt")]), row(&[json!("water")])])]));
        let range = json!({"sheetId": 7, "dimension": "ROWS", "startIndex": line, "endIndex": line + 1});
        sheet.apply(json!([{"insertDimension": {"range": range}}]));
        let suffix = format!("/values/Log!{above}:append?valueInputOption=RAW");
        let reply = sheet.post(&suffix, &json!({"values": [["yeast"]]})).value();
        assert_eq!(reply["updates"]["updatedRange"], format!("Log!{above}"));
        assert_eq!(sheet.values("Log!A1:A9").as_array().map(Vec::len), Some(4));
    }
}

/// A tall tab may have a cell at its very end, and the emulator does not go out of memory or time over it.
#[test]
fn a_row_far_down_is_a_row_like_others() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([{"addSheet": {"properties":
        {"sheetId": 8, "title": "Tall", "gridProperties": {"rowCount": 9_000_000, "columnCount": 1}}}}]));
    let reply = sheet.put("/values/Tall!A9000000?valueInputOption=RAW", &json!({"values": [["last"]]}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(sheet.values("Tall!A9000000"), json!([["last"]]));
    let bold = json!({"userEnteredFormat": {"textFormat": {"bold": true}}});
    let range = |rows: u64| json!({"sheetId": 8, "startRowIndex": 0, "endRowIndex": rows});
    let repeat = |rows: u64| json!({"repeatCell": {"range": range(rows), "cell": bold, "fields": "userEnteredFormat"}});
    sheet.apply(json!([repeat(100_000)]));
    let border = json!({"style": "SOLID"});
    for request in [
        repeat(1_000_001),
        json!({"updateBorders": {"range": range(1_000_001), "top": border}}),
        json!({"updateCells": {"range": range(1_000_001), "fields": "userEnteredValue"}}),
        json!({"setDataValidation": {"range": range(1_000_001)}}),
    ] {
        let reply = sheet.batch(json!([request]));
        assert_eq!(reply.status, 501, "{}", reply.text());
        assert!(reply.text().contains("writing more than 1000000 cells in one request"), "{}", reply.text());
    }
    assert_eq!(sheet.post("/values/Tall!A8999000:A:clear", &json!({})).status, 200);
    assert_eq!(sheet.values("Tall!A1:A"), json!([]));
}

/// `create` with data beyond the limit is refused before a row is made for it.
#[test]
fn data_far_outside_is_refused_and_not_made_room_for() {
    let mut world = World::unlimited();
    let tokens = world.sign_in();
    for (row, column) in [(2_000_000_000_u64, 0_u64), (0, 2_000_000_000), (10_000_000, 0)] {
        let data = json!({"startRow": row, "startColumn": column, "rowData": [common::row(&[1.into()])]});
        let reply = world.call(&tokens, "POST", "/v4/spreadsheets", &json!({"sheets": [{"data": [data]}]}));
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.text().contains("above the limit of 10000000 cells"), "{}", reply.text());
    }
}

/// A few letters can ask for a tall tab a thousand times; and a mask spares what it leaves out.
#[test]
fn a_request_does_not_read_more_than_there_is_room_for() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([
        {"updateSheetProperties": {"properties": {"sheetId": 7, "gridProperties": {"rowCount": 2_400_000}},
            "fields": "gridProperties.rowCount"}},
        append(&vec![row(&[json!("a"), json!("b")]); 500]),
    ]));
    let status = |sheet: &mut Sheet<'_>, query: &str| (sheet.get(query).status, sheet.get(query).text().len());
    let thrice = "?ranges=Log!A:A&ranges=Log!B:B&ranges=Log!C:C&includeGridData=true";
    let (refused, said) = status(&mut sheet, thrice);
    assert!(refused == 501 && said < 1_000);
    assert_eq!(status(&mut sheet, &format!("{thrice}&fields=sheets.data(rowData,columnMetadata)")).0, 200);
    let many = |count: usize| format!("/values:batchGet?{}", vec!["ranges=Log"; count].join("&"));
    assert_eq!(status(&mut sheet, &many(100)).0, 200);
    assert_eq!(status(&mut sheet, &many(4_000)).0, 501);
    let filters = vec![json!({"a1Range": "Log"}); 4_000];
    assert_eq!(sheet.post("/values:batchGetByDataFilter", &json!({ "dataFilters": filters })).status, 200, "one range");
    assert_eq!(sheet.post(":getByDataFilter", &json!({ "dataFilters": filters, "includeGridData": true })).status, 501);
}

/// What libraries of other languages write for a boolean; anything else was meant as something.
#[test]
fn booleans_of_the_query_are_read_or_refused() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    for (written, has_data) in [("true", true), ("True", true), ("1", true), ("false", false), ("False", false)] {
        let whole = sheet.get(&format!("?includeGridData={written}")).value();
        assert_eq!(whole["sheets"][0].get("data").is_some(), has_data, "{written}");
    }
    let refused = sheet.get("?includeGridData=yes");
    assert_eq!(refused.status, 400);
    assert_eq!(refused.value()["error"]["message"], "Invalid value at 'include_grid_data' (TYPE_BOOL), \"yes\"");
    assert!(!sheet.get("?prettyPrint=False&fields=spreadsheetId").text().contains('\n'));
}
