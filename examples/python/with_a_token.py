"""Google's own client library with a token of `rowkeeper token`.

pip install google-api-python-client==2.202.0
"""

import os
import subprocess

from google.api_core.client_options import ClientOptions
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build


class Rowkeeper(Credentials):
    """Asks rowkeeper whenever the library wants another token: at first, and when the API answers 401."""

    def refresh(self, request):
        token = ask("5m")
        # What is refused is not given twice: Google's tokens live an hour, so this one is new.
        self.token = token if token != self.token else ask("1h")


def ask(min_validity):
    command = ["rowkeeper", "token", "--min-validity", min_validity]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


credentials = Rowkeeper(None)
credentials.refresh(None)
# With the emulator the API is there; with Google leave the option out.
options = ClientOptions(api_endpoint=os.environ.get("ROWKEEPER_EMULATOR", "https://sheets.googleapis.com"))
sheets = build("sheets", "v4", credentials=credentials, static_discovery=True, client_options=options).spreadsheets()

made = sheets.create(body={"properties": {"title": "With a token"}}).execute()
sheets.values().append(spreadsheetId=made["spreadsheetId"], range="A1", valueInputOption="RAW",
                       body={"values": [["door", "open"]]}).execute()
print(sheets.values().get(spreadsheetId=made["spreadsheetId"], range="A1:B1").execute()["values"])
