"""Google's own client library through `rowkeeper proxy`: no credentials here at all.

pip install google-api-python-client==2.202.0
"""

import os

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build

# Where `rowkeeper proxy` says that it listens.
options = ClientOptions(api_endpoint=os.environ.get("ROWKEEPER_PROXY", "http://127.0.0.1:8086"))
sheets = build("sheets", "v4", credentials=AnonymousCredentials(), static_discovery=True,
               client_options=options).spreadsheets()

made = sheets.create(body={"properties": {"title": "Through the proxy"}}).execute()
sheets.values().append(spreadsheetId=made["spreadsheetId"], range="A1", valueInputOption="RAW",
                       body={"values": [["door", "open"]]}).execute()
print(sheets.values().get(spreadsheetId=made["spreadsheetId"], range="A1:B1").execute()["values"])
