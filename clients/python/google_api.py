"""google-api-python-client with google-auth: sign-in, refresh, Sheets, Drive, and how each is told no."""

from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from common import CLIENT_ID, CLIENT_SECRET, DRIVE_FILE, OWNER, URL, control, sign_in

SPREADSHEET = "application/vnd.google-apps.spreadsheet"


def refused(call, status):
    try:
        call.execute(num_retries=0)
    except HttpError as error:
        assert error.status_code == status, error
        return error.reason
    raise AssertionError(f"{call.uri} was not refused")


found, tokens = sign_in(f"{DRIVE_FILE} openid email")
credentials = Credentials(
    token=tokens["access_token"],
    refresh_token=tokens["refresh_token"],
    token_uri=found["token_endpoint"],
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    scopes=tokens["scope"].split(),
)
credentials.refresh(Request())
assert credentials.token != tokens["access_token"] and credentials.id_token, "a refresh brings new tokens"

options = {"api_endpoint": URL}
sheets = build("sheets", "v4", credentials=credentials, client_options=options, static_discovery=True).spreadsheets()
# This library takes the whole base path from `api_endpoint`, and Drive's is longer.
options = {"api_endpoint": f"{URL}/drive/v3/"}
drive = build("drive", "v3", credentials=credentials, client_options=options, static_discovery=True)

made = sheets.create(body={"properties": {"title": "From Python"}}).execute()
sheet = made["spreadsheetId"]
assert made["spreadsheetUrl"] == f"{URL}/spreadsheets/d/{sheet}/edit"
rows = [["time", "temperature"], ["2026-11-22", 21.5], ["2026-11-23", "=1+1"]]
values = sheets.values()
appended = values.append(
    spreadsheetId=sheet, range="Sheet1!A1", valueInputOption="RAW", body={"values": rows}
).execute()
assert appended["updates"]["updatedRange"] == "Sheet1!A1:B3", appended
read = values.get(spreadsheetId=sheet, range="Sheet1!A1:B", valueRenderOption="UNFORMATTED_VALUE").execute()
assert read["values"] == rows, read
batch = values.batchGet(spreadsheetId=sheet, ranges=["Sheet1!A1", "'Sheet1'!B2"]).execute()
assert [part["values"] for part in batch["valueRanges"]] == [[["time"]], [["21.5"]]], batch

marker = {"metadataId": 7, "metadataKey": "batch", "visibility": "DOCUMENT", "location": {"spreadsheet": True}}
requests = [
    {"createDeveloperMetadata": {"developerMetadata": marker}},
    {"addSheet": {"properties": {"title": "Projects"}}},
]
replies = sheets.batchUpdate(spreadsheetId=sheet, body={"requests": requests}).execute()["replies"]
assert replies[1]["addSheet"]["properties"]["title"] == "Projects", replies
reason = refused(sheets.batchUpdate(spreadsheetId=sheet, body={"requests": requests[:1]}), 400)
assert "already exists" in reason, reason
assert refused(sheets.get(spreadsheetId="nobody's"), 404) == "Requested entity was not found."
titles = sheets.get(spreadsheetId=sheet, fields="sheets.properties.title").execute()
assert titles == {"sheets": [{"properties": {"title": name}} for name in ("Sheet1", "Projects")]}, titles

# Many calls in one, each with its own answer.
answers = {}
many = BatchHttpRequest(batch_uri=f"{URL}/batch", callback=lambda name, reply, error: answers.update({name: reply or error}))
many.add(values.get(spreadsheetId=sheet, range="Sheet1!A1"), request_id="read")
body = {"values": [["=SUM(B2:B2)"]]}
written = values.update(spreadsheetId=sheet, range="C1", valueInputOption="USER_ENTERED", body=body)
many.add(written, request_id="write")
many.add(sheets.get(spreadsheetId="nobody's"), request_id="missing")
many.execute()
assert answers["read"]["values"] == [["time"]] and answers["write"]["updatedCells"] == 1, answers
assert answers["missing"].status_code == 404, answers
assert values.get(spreadsheetId=sheet, range="C1").execute()["values"] == [["21.5"]]

files = drive.files()
body = {"name": "From Drive", "mimeType": SPREADSHEET, "appProperties": {"device": "scale"}}
other = files.create(body=body, fields="id,appProperties").execute()
query = "appProperties has { key='device' and value='scale' } and trashed = false"
assert [file["id"] for file in files.list(q=query).execute()["files"]] == [other["id"]]
assert len(files.list(pageSize=1).execute()["files"]) == 1
page = files.list(pageSize=1, fields="nextPageToken,files(id)")
seen = []
while page is not None:
    reply = page.execute()
    seen += [file["id"] for file in reply["files"]]
    page = files.list_next(page, reply)
assert sorted(seen) == sorted([sheet, other["id"]]), seen
files.update(fileId=other["id"], body={"trashed": True}).execute()
assert files.list(q=query).execute()["files"] == []
assert sheets.get(spreadsheetId=other["id"]).execute()["properties"]["title"] == "From Drive", "the bin still serves"
permissions = drive.permissions()
shared = permissions.create(
    fileId=other["id"], body={"type": "user", "role": "reader", "emailAddress": "helper@example.com"}
).execute()
assert len(permissions.list(fileId=other["id"]).execute()["permissions"]) == 2
permissions.delete(fileId=other["id"], permissionId=shared["id"]).execute()
assert files.export(fileId=sheet, mimeType="text/csv").execute().decode().startswith("time,temperature,21.5")
files.delete(fileId=other["id"]).execute()
assert refused(files.get(fileId=other["id"]), 404) == f"File not found: {other['id']}."
assert len(files.generateIds(count=3).execute()["ids"]) == 3

# An access token that dies is replaced without a word; a revoked grant ends in the exception that says so.
control("expire_access_tokens", {})
assert drive.about().get(fields="user").execute()["user"]["emailAddress"] == OWNER
control("revoke", {"account": OWNER})
try:
    sheets.get(spreadsheetId=sheet).execute()
    raise AssertionError("a revoked grant still reads")
except RefreshError as error:
    assert "invalid_grant" in str(error), error
