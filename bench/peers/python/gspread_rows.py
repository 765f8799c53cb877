"""gspread: `append_rows`, with the client that its documentation names for quotas. Its addresses are replaced: it has no option for them."""

import gspread
import gspread.client
import gspread.http_client
import gspread.urls

from common import SHEET, URL, credentials, serve

for module in (gspread.urls, gspread.http_client, gspread.client):
    for name, value in list(vars(module).items()):
        if name.isupper() and isinstance(value, str):
            for host in ("https://sheets.googleapis.com", "https://www.googleapis.com"):
                value = value.replace(host, URL)
            setattr(module, name, value)

client = gspread.authorize(credentials(), http_client=gspread.BackOffHTTPClient)
log = client.open_by_key(SHEET).worksheet("Log")

serve(lambda rows: log.append_rows(rows, value_input_option="RAW"))
