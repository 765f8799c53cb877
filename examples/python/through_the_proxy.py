"""Google's own client library through `rowkeeper proxy`: no credentials here at all.

pip install google-api-python-client==2.202.0
"""

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build

sheets = build("sheets", "v4", credentials=AnonymousCredentials(), static_discovery=True,
               client_options=ClientOptions(api_endpoint="http://127.0.0.1:8086")).spreadsheets()

made = sheets.create(body={"properties": {"title": "From Python"}}).execute()
sheets.values().append(spreadsheetId=made["spreadsheetId"], range="A1", valueInputOption="RAW",
                       body={"values": [["door", "open"]]}).execute()
print(sheets.values().get(spreadsheetId=made["spreadsheetId"], range="A1:B1").execute()["values"])
