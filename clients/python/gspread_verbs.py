"""gspread's main verbs. It has no option for another host, so its addresses are replaced."""

import gspread
import gspread.client
import gspread.http_client
import gspread.urls
from google.oauth2.credentials import Credentials

from common import CLIENT_ID, CLIENT_SECRET, URL, control, sign_in

HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")
for module in (gspread.urls, gspread.http_client, gspread.client):
    for name, value in list(vars(module).items()):
        if name.isupper() and isinstance(value, str):
            for host in HOSTS:
                value = value.replace(host, URL)
            setattr(module, name, value)

# A minute of Google's quota is not enough for all of this.
control("options", {"writes_per_minute": 1000, "reads_per_minute": 1000})
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

# What a person with a script does beyond appending.
log.update([["=SUM(B2:B2)*2", "11/22/2026"]], "A3", value_input_option=gspread.utils.ValueInputOption.user_entered)
assert log.acell("A3").numeric_value == 200 and log.acell("A3", "FORMULA").value == "=SUM(B2:B2)*2"
assert log.acell("B3", "UNFORMATTED_VALUE").value == 46348 and log.acell("B3").value == "11/22/2026"
log.insert_note("A2", "from the oven")
assert log.get_note("A2") == "from the oven"
log.merge_cells("C1:D1")
log.unmerge_cells("C1:D1")
log.set_basic_filter("A1:B3")
log.clear_basic_filter()
log.add_protected_range("A1:B1", warning_only=True)
protected = book.list_protected_ranges(log.id)
assert protected[0]["range"]["endRowIndex"] == 1, protected
log.delete_protected_range(protected[0]["protectedRangeId"])
named = log.define_named_range("A1:B2", "header")["replies"][0]["addNamedRange"]["namedRange"]
assert book.values_get("header")["values"][0] == ["name", "grams"]
book.worksheet("Bread").delete_named_range(named["namedRangeId"])
log.copy_range("A2:B2", "C2", paste_type=gspread.utils.PasteType.values)
log.cut_range("C2:D2", "C3")
assert log.get("C2:D3") == [[], ["leaven", "100"]], log.get("C2:D3")
log.add_dimension_group_rows(1, 3)
assert len(log.list_dimension_group_rows()) == 1
log.delete_dimension_group_rows(1, 3)
log.hide_columns(2, 3)
log.unhide_columns(2, 3)
log.columns_auto_resize(0, 2)
log.add_validation("D1", gspread.utils.ValidationConditionType.boolean, [])
log.update_tab_color("#ff0000")
log.insert_cols([["a", "b"]], 4)
log.delete_columns(4)
twin = log.duplicate(new_sheet_name="Twin")
assert twin.acell("A2").value == "leaven"
book.reorder_worksheets([twin, log])
assert [sheet.title for sheet in book.worksheets()] == ["Twin", "Bread"]
book.del_worksheet(twin)
book.share("helper@example.com", "user", "writer", notify=False)
assert sorted(who["role"] for who in book.list_permissions()) == ["owner", "writer"]
assert book.remove_permissions("helper@example.com") == [book.list_permissions()[0]["id"]] or len(book.list_permissions()) == 1
assert client.export(book.id, gspread.utils.ExportFormat.CSV).decode().splitlines()[0] == "name,grams,,", client.export(book.id, gspread.utils.ExportFormat.CSV)
log.batch_clear(["A3:D3"])

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
twin = client.copy(book.id, title="Bread log, kept")
assert twin.worksheet("Bread").acell("A2").value == "leaven" and twin.id != book.id
client.del_spreadsheet(twin.id)
client.del_spreadsheet(book.id)
assert client.list_spreadsheet_files() == []
