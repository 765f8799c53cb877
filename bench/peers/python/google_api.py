"""google-api-python-client with google-auth, as in Google's quickstart; `num_retries` is its own retrying."""

from googleapiclient.discovery import build

from common import SHEET, URL, credentials, serve

values = build("sheets", "v4", credentials=credentials(), client_options={"api_endpoint": URL}).spreadsheets().values()


def append(rows):
    call = values.append(spreadsheetId=SHEET, range="Log", valueInputOption="RAW", body={"values": rows})
    call.execute(num_retries=8)


serve(append)
