# SPDX-License-Identifier: Apache-2.0
"""Workbooks and documents as those who get them see them: opened with openpyxl, and with
poppler's pdftotext and pdfinfo."""
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

from books import BUILD

sys.path.append("/usr/lib/python3/dist-packages")  # for a python3 that is not Debian's own
import openpyxl  # noqa: E402

PROBE = BUILD / "tests/sheet_probe"
ENV = {**os.environ, "TZ": "Europe/Berlin"}


class Sheets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="ffs")
        cls.folder = pathlib.Path(cls.temporary.name)
        for kind in ("tenants", "many", "none", "kinds", "wide", "record"):
            subprocess.run([str(PROBE), kind, str(cls.folder)], check=True, env=ENV)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def workbook(self, kind):
        return openpyxl.load_workbook(self.folder / f"{kind}.xlsx")

    def text(self, name):
        return subprocess.run(["pdftotext", "-layout", str(self.folder / name), "-"],
                              check=True, capture_output=True).stdout.decode()

    def pages(self, name):
        """The text of each page."""
        return self.text(name).split("\f")[:-1]

    def info(self, name):
        lines = subprocess.run(["pdfinfo", str(self.folder / name)], check=True,
                               capture_output=True).stdout.decode().splitlines()
        return dict(map(str.strip, line.split(":", 1)) for line in lines)

    # ---- workbooks

    def test_a_sheet_for_each_table_and_one_about_it(self):
        book = self.workbook("tenants")
        self.assertEqual(["About", "projects University of the Nort",
                          "projects Universität Süd", "Chart data"], book.sheetnames)
        about = book["About"]
        self.assertEqual("GPU-hours of October 2026", about["A1"].value)
        cells = [[cell.value for cell in row] for row in about.iter_rows(max_col=2)]
        self.assertIn(["Site", "Compute Süd"], cells)
        self.assertIn(["projects Universität Süd", "GPU-hours by project"], cells)
        self.assertEqual("'projects Universität Süd'!A1",
                         [row[0].hyperlink.location for row in about.iter_rows()
                          if row[0].value == "projects Universität Süd"][0])

    def test_the_heading_is_bold_frozen_and_has_a_filter(self):
        sheet = self.workbook("tenants").worksheets[1]
        self.assertEqual(["project", "title", "jobs", "charged (GPU-h)", "refunded (GPU-h)"],
                         [cell.value for cell in sheet[1]])
        self.assertTrue(all(cell.font.bold for cell in sheet[1]))
        self.assertEqual("A2", sheet.freeze_panes)
        self.assertEqual("A1:E8", sheet.auto_filter.ref)
        self.assertGreater(sheet.column_dimensions["B"].width, 50)

    def test_numbers_are_numbers(self):
        sheet = self.workbook("kinds").worksheets[1]
        row = sheet[2]
        self.assertEqual(["text", "count", "net (GPU-h)", "ended at", "waited (h:mm:ss)",
                          "memory (bytes)", "weight", "idle"],
                         [cell.value for cell in sheet[1]])
        self.assertEqual(-1234567, row[1].value)
        self.assertEqual((-5000, "#,##0.0000"), (row[2].value, row[2].number_format))
        self.assertEqual(datetime.datetime(2026, 11, 1), row[3].value)
        self.assertTrue(row[3].is_date)
        self.assertEqual(93784, round(openpyxl.utils.datetime.to_excel(row[4].value) * 86400))
        self.assertEqual(68719476736, row[5].value)
        self.assertEqual((1.5, "0.000"), (row[6].value, row[6].number_format))
        self.assertEqual((0.375, "0.0%"), (row[7].value, row[7].number_format))
        charged = self.workbook("tenants").worksheets[1]["D2"]
        self.assertEqual(("n", 700.5), (charged.data_type, charged.value))

    def test_texts_are_texts_whatever_they_begin_with(self):
        sheet = self.workbook("kinds").worksheets[1]
        column = [row[0] for row in sheet.iter_rows(min_row=2)]
        self.assertEqual(["=1+1", "@cmd|' /C calc'!A0", "+49", "-1", '<b>&amp;"',
                          "(not UTF-8)", None, "007"], [cell.value for cell in column])
        self.assertNotIn("f", {cell.data_type for cell in column[1:]})
        plain = openpyxl.load_workbook(self.folder / "kinds.xlsx", data_only=True)
        self.assertEqual("=1+1", plain.worksheets[1]["A2"].value) # a formula would have no text

    def test_no_formula_is_in_any_sheet(self):
        for kind in ("tenants", "many", "none", "kinds", "wide", "record"):
            with zipfile.ZipFile(self.folder / f"{kind}.xlsx") as parts:
                out = b"".join(parts.read(part) for part in parts.namelist()
                               if part.startswith("xl/worksheets/"))
            self.assertIn(b"<sheetData", out)
            self.assertNotIn(b"<f>", out)

    def test_empty_cells_and_times_of_nothing_are_empty(self):
        sheet = self.workbook("kinds").worksheets[1]
        self.assertEqual([None] * 7, [cell.value for cell in sheet[3]][1:])
        self.assertIsNone(sheet["D4"].value)

    def test_forbidden_characters_are_no_part_of_a_sheets_name(self):
        self.assertEqual(["About", "all kinds- -x-"], self.workbook("kinds").sheetnames)

    def test_a_chart_shows_the_ten_largest_and_the_others(self):
        book = self.workbook("many")
        charts = book["About"]._charts  # what is seen first, and not beside a wide table
        self.assertEqual(([], 1), (book["projects"]._charts, len(charts)))
        self.assertGreater(charts[0].anchor._from.row, max(
            cell.row for row in book["About"].iter_rows() for cell in row if cell.value))
        self.assertEqual("bar", charts[0].barDir)
        self.assertIn("'Chart data'!$B$2:$B$12", charts[0].series[0].val.numRef.f)
        data = [[cell.value for cell in row]
                for row in book["Chart data"].iter_rows(max_row=12)]
        self.assertEqual(["GPU-hours by project", "charged (GPU-h)"], data[0])
        self.assertEqual(["project-000", 20000.5], data[1])
        total = sum(row[3].value for row in book["projects"].iter_rows(min_row=2))
        self.assertEqual("190 others", data[11][0])
        self.assertAlmostEqual(total, sum(row[1] for row in data[1:]), places=4)
        self.assertEqual([], self.workbook("none")["About"]._charts)
        ends, begins = ([getattr(chart.anchor, at).row for chart in
                         self.workbook("tenants")["About"]._charts] for at in ("to", "_from"))
        self.assertGreater(begins[1], ends[0])

    def test_a_record_has_a_line_for_each_figure(self):
        sheet = self.workbook("record")["sums"]
        self.assertEqual([("name", "value"), ("text", "=1+1"), ("count", -1234567),
                          ("net (GPU-h)", -5000), ("ended at", datetime.datetime(2026, 11, 1))],
                         [tuple(cell.value for cell in row) for row in sheet.iter_rows(max_row=5)])
        self.assertEqual((9, 2, "A2"), (sheet.max_row, sheet.max_column, sheet.freeze_panes))
        self.assertEqual("#,##0.0000", sheet["B4"].number_format)
        self.assertIsNone(sheet.auto_filter.ref)

    def test_a_table_without_rows_has_its_heading(self):
        sheet = self.workbook("none")["projects"]
        self.assertEqual(1, sum(1 for row in sheet.iter_rows() if row[0].value))

    # ---- documents

    def test_each_tenant_begins_a_page(self):
        pages = self.pages("tenants.pdf")
        self.assertEqual(2, len(pages))
        for page, name, other in ((pages[0], "University of the North", "Universität Süd"),
                                  (pages[1], "Universität Süd", "University of the North")):
            self.assertIn(name, page)
            self.assertNotIn(other, page)
            self.assertIn("GPU-hours by project", page)
        self.assertIn("Compute Süd", pages[0])
        self.assertIn("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                      pages[0])
        info = self.info("tenants.pdf")
        self.assertEqual("GPU-hours of October 2026", info["Title"])
        self.assertIn("A4", info["Page size"])

    def test_every_page_says_which_it_is_and_of_what(self):
        for name, count in (("tenants.pdf", 2), ("many.pdf", 6), ("tenants.latin.pdf", 2)):
            pages = self.pages(name)
            self.assertEqual(count, len(pages), name)
            for number, page in enumerate(pages, 1):
                self.assertIn(f"page {number} of {count}\n", page)
                self.assertIn("Compute Süd · 2026-10 · checksum 9f86d081884c7d65", page)

    def test_a_long_table_repeats_its_heading_and_loses_no_row(self):
        pages = self.pages("many.pdf")
        for page in pages:
            self.assertRegex(page, r"project +title +jobs +charged +refunded")
        text = "".join(pages)
        for i in range(200):
            self.assertIn(f"project-{i:03d}", text)
        self.assertRegex(text, r"190 others +1,814,595\.000")

    def test_names_are_written_as_they_are(self):
        text = self.text("tenants.pdf")
        self.assertIn("Strömungslöser für Flüsse (Łódź, Ελληνικά)", text)
        self.assertIn("nevertheless", text)
        latin = self.text("tenants.latin.pdf")
        self.assertIn("Strömungslöser für Flüsse (?ód?, ????????)", latin)

    def test_numbers_have_their_separators(self):
        text = self.text("kinds.pdf")
        self.assertRegex(text, r"=1\+1 +-1,234,567 +-5,000\.000 +2026-11-01 00:00 +1d 02:03:04 "
                               r"+64\.0 GiB +1\.500 +37\.5 %")

    def test_a_wide_table_is_laid_across(self):
        width, _, height = self.info("wide.pdf")["Page size"].split()[:3]
        self.assertGreater(float(width), float(height))
        self.assertRegex(self.text("wide.pdf"), r"lattice +1 +2026-11-01 00:00 +\S+ 00:00 .*"
                                                r"987,648\.000")

    def test_a_table_without_rows_says_so(self):
        self.assertIn("nothing in this report", self.text("none.pdf"))


if __name__ == "__main__":
    unittest.main()
