"""gspread's main verbs. It has no option for another host, so its addresses are replaced."""

import gspread
import gspread.client
import gspread.http_client
import gspread.urls
from google.oauth2.credentials import Credentials

from common import CLIENT_ID, CLIENT_SECRET, URL, sign_in

HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")
for module in (gspread.urls, gspread.http_client, gspread.client):
    for name, value in list(vars(module).items()):
        if name.isupper() and isinstance(value, str):
            for host in HOSTS:
                value = value.replace(host, URL)
            setattr(module, name, value)

found, tokens = sign_in()
credentials = Credentials(
    token=None,
    refresh_token=tokens["refresh_token"],
    token_uri=found["token_endpoint"],
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
)
client = gspread.authorize(credentials)

book = client.create("From gspread")
assert client.open("From gspread").id == book.id
assert [file["name"] for file in client.list_spreadsheet_files("From gspread")] == ["From gspread"]
log = book.sheet1
log.update([["name", "grams"]], "A1")
log.append_row(["flour", 500])
log.append_rows([["salt", 9], ["water", 325]])
assert log.get_all_values() == [["name", "grams"], ["flour", "500"], ["salt", "9"], ["water", "325"]]
assert log.get_all_records()[1] == {"name": "salt", "grams": 9}
log.update_acell("B3", 10)
assert log.acell("B3").value == "10" and log.cell(2, 1).value == "flour"
assert log.find("water").address == "A4"
log.sort((2, "asc"), range="A2:B4")
assert log.col_values(1) == ["name", "salt", "water", "flour"]
log.freeze(rows=1)
log.format("A1:B1", {"textFormat": {"bold": True}})
log.insert_row(["yeast", 3], 2)
log.delete_rows(3)
assert log.row_values(2) == ["yeast", "3"]
assert book.sheet1.row_count == 1000, "nothing grew; `log` itself counts appended rows on"
log.batch_update([{"range": "A2", "values": [["leaven"]]}, {"range": "B2", "values": [[100]]}])
assert log.batch_get(["A2:B2"]) == [[["leaven", "100"]]]
log.resize(cols=4)
log.update_title("Bread")
log.batch_clear(["A3:B3"])
assert log.row_values(3) == []

notes = book.add_worksheet("Notes", rows=10, cols=3)
assert [sheet.title for sheet in book.worksheets()] == ["Bread", "Notes"]
log.copy_to(book.id)
assert [sheet.title for sheet in book.worksheets()] == ["Bread", "Notes", "Copy of Bread"]
book.del_worksheet(notes)
book.update_title("Bread log")
assert client.open_by_key(book.id).title == "Bread log"
try:
    client.open("nothing of that name")
    raise AssertionError("it was found")
except gspread.SpreadsheetNotFound:
    pass
try:
    log.append_row(["x"], table_range="No such tab!A1")
    raise AssertionError("it was taken")
except gspread.exceptions.APIError as error:
    assert error.code == 400 and "Unable to parse range" in str(error), error
client.del_spreadsheet(book.id)
assert client.list_spreadsheet_files() == []
