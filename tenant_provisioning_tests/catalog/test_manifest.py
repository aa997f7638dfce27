"""The manifest is read as it stands, and every mistake in it is named with file and line."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenant_provisioning.catalog.definitions import inspect_definition
from tenant_provisioning.catalog.manifest import check_catalog, load_catalog
from tenant_provisioning.catalog.sample_pbix import pbix_bytes
from tenant_provisioning.model.catalog import Module, ModuleFeature, Provider, ReportStrategy, TemplateReport
from tenant_provisioning.model.errors import CatalogInvalid

Spoil = Callable[..., Path]
REPORTS = "reports/all.yaml"
CLONE = """\
  clone:
    report_id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
    version: 1
"""


def mistakes_of(folder: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(CatalogInvalid) as caught:
        load_catalog(folder)
    return [(mistake.file, mistake.line, mistake.message) for mistake in caught.value.mistakes]


def test_a_sound_manifest_is_read_in_its_own_order(sound: Path) -> None:
    catalog = load_catalog(sound)

    assert catalog.providers == (
        Provider("APTEM", "lms", "Aptem"),
        Provider("BUD", "lms", "Bud"),
        Provider("BKSB", "english_maths", "bksb"),
        Provider("HUBSPOT", "crm", "HubSpot"),
    )
    features = (ModuleFeature("learner_progress", "Learner Progress"), ModuleFeature("attendance", "Attendance"))
    assert catalog.modules == (Module("learners", "Learners", features),)
    package = sound / "pbix" / "attendance.pbix"
    assert catalog.reports == (
        TemplateReport(
            "aptem_learner_progress",
            "Learner Progress",
            ReportStrategy.CLONE,
            "learner_progress",
            hashlib.sha256(b"3f2504e0-4f89-41d3-9a0c-0305e82c3301:1").hexdigest(),
            {"lms": "APTEM"},
            source_report_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        ),
        TemplateReport(
            "bksb_attendance",
            "Attendance",
            ReportStrategy.IMPORT,
            "attendance",
            hashlib.sha256(package.read_bytes()).hexdigest(),
            {"english_maths": "BKSB"},
            pbix_path=str(package.resolve()),
        ),
    )
    assert check_catalog(sound) == []


def test_report_files_follow_each_other_by_name(sound: Path) -> None:
    (sound / REPORTS).rename(sound / "reports" / "b.yaml")
    first = (sound / "reports" / "b.yaml").read_text().replace("aptem_", "bud_").replace("APTEM", "BUD")
    (sound / "reports" / "a.yaml").write_text(first.partition("bksb_attendance")[0])

    keys = [report.key for report in load_catalog(sound).reports]

    assert keys == ["bud_learner_progress", "aptem_learner_progress", "bksb_attendance"]


def test_a_new_version_of_a_clone_changes_its_content_hash(sound: Path, spoil: Spoil) -> None:
    before = load_catalog(sound).report("aptem_learner_progress").content_hash

    after = load_catalog(spoil("version: 1", "version: 2")).report("aptem_learner_progress").content_hash

    assert before != after


@pytest.mark.parametrize("written", ["No", "2024", "3.10", "'null'", "0x1F"])
def test_texts_stand_as_they_are_written(spoil: Spoil, written: str) -> None:
    catalog = load_catalog(spoil("title: Attendance", f"title: {written}"))

    assert catalog.reports[1].title == written.strip("'")


IN_REPORTS = {
    "an unknown field": ("  feature: attendance", "  feature: attendance\n  colour: red", 11, "no field “colour”"),
    "a misspelt field": ("  title: Attendance", "  titel: Attendance", 9, "did you mean “title”?"),
    "a missing field": ("  title: Attendance\n", "", 8, "lacks the field “title”"),
    "an empty field": ("title: Attendance", "title:", 9, "“title” of the report bksb_attendance is empty"),
    "a blank field": ("title: Attendance", "title: '  '", 9, "the title is empty"),
    "a field twice": ("  title: Attendance", "  title: Attendance\n  title: Other", 10, "the first is on line 9"),
    "a key twice": ("bksb_attendance:", "aptem_learner_progress:", 8, "the first is on line 1"),
    "a title that is a mapping": ("title: Attendance", "title: {a: b}", 9, "must be a text"),
    "a title over two lines": ("title: Attendance", 'title: "At\\ntendance"', 9, "one line of printable"),
    "a title that turns the text around": ("title: Attendance", "title: At\u202etendance", 9, "printable"),
    "a title that is too long": ("title: Attendance", "title: " + "x" * 201, 9, "201 characters, at most 200"),
    "an unknown feature": ("feature: attendance", "feature: attendence", 10, "did you mean “attendance”?"),
    "an unknown category": ("    english_maths: BKSB", "    maths: BKSB", 12, "there is no category “maths”"),
    "an unknown provider": ("english_maths: BKSB", "english_maths: bksbb", 12, "did you mean “BKSB”?"),
    "a provider of another category": ("english_maths: BKSB", "crm: BKSB", 12, "known are: HUBSPOT"),
    "needs that are a text": ("needs: {lms: APTEM}", "needs: APTEM", 4, "“needs” must be a mapping"),
    "a list": ("needs: {lms: APTEM}", "needs: [APTEM]", 4, "a list has no place here"),
    "an entry that is a text": ("bksb_attendance:", "other: text\nbksb_attendance:", 8, "must be a mapping"),
    "an entry that is empty": ("bksb_attendance:", "other:\nbksb_attendance:", 8, "must be a mapping"),
    "a key with capitals": ("bksb_attendance:", "BKSB_attendance:", 8, "is no report key"),
    "a key with a hyphen": ("bksb_attendance:", "bksb-attendance:", 8, "is no report key"),
    "no strategy": (CLONE, "", 1, "either clone"),
    "both strategies": ("  import:", CLONE + "  import:", 16, "both clone and import"),
    "a report id that is none": ("3f2504e0-", "3f2504e0", 6, "is no report id"),
    "a clone without a version": ("    version: 1\n", "", 5, "“clone” lacks the field “version”"),
    "a package that is missing": ("pbix/attendance.pbix", "pbix/other.pbix", 14, "does not exist"),
    "a package that is a folder": ("pbix/attendance.pbix", "pbix/folder.pbix", 14, "is not a file"),
    "a path upwards": ("pbix/attendance.pbix", "pbix/../../outside.pbix", 14, "inside the catalog folder"),
    "an absolute path": ("pbix/attendance.pbix", "/etc/outside.pbix", 14, "inside the catalog folder"),
    "a Windows path": ("pbix/attendance.pbix", "pbix\\attendance.pbix", 14, "inside the catalog folder"),
    "a Windows drive": ("pbix/attendance.pbix", "C:attendance.pbix", 14, "inside the catalog folder"),
    "a link to the outside": ("pbix/attendance.pbix", "pbix/link.pbix", 14, "through a symbolic link"),
    "another kind of file": ("pbix/attendance.pbix", "catalog.yaml", 14, "does not end in .pbix"),
    "a package that is too big": ("pbix/attendance.pbix", "pbix/big.pbix", 14, "is over 10 GB"),
    "a sha256 that is none": ("    sha256: ", "    sha256: X", 15, "64 digits"),
    "an import without a file": ("    file: pbix/attendance.pbix\n", "", 13, "“import” lacks the field “file”"),
    "an alias": ("title: Attendance", "title: *other", 9, "the alias *other is not allowed"),
    "a tag": ("title: Attendance", "title: !!python/name:os.system x", 9, "a tag"),
    "a merge key": ("  title: Attendance", "  <<: {title: Attendance}\n  title: Attendance", 9, "has no field “<<”"),
    "a key that is a mapping": ("bksb_attendance:", "{a: b}: c\nbksb_attendance:", 8, "a key must be a text"),
    "a key that is nothing": ("bksb_attendance:", "~: c\nbksb_attendance:", 8, "a key must be a text"),
    "an open quote": ("title: Attendance", 'title: "Attendance', 16, "(while scanning a quoted scalar from line 9)"),
    "a tab as indentation": ("  title: Attendance", "\ttitle: Attendance", 9, "this is not YAML"),
    "a control character": ("title: Attendance", "title: Atten\x07dance", 9, "U+0007"),
    "a second document": ("bksb_attendance:", "---\nbksb_attendance:", 8, "a second document"),
    "deep nesting": ("title: Attendance", "title: " + "[" * 100_000, 9, "more than 8 levels deep"),
    "deep nesting of mappings": ("title: Attendance", "title: " + "{a: " * 100_000, 9, "more than 8 levels deep"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "said"), IN_REPORTS.values(), ids=IN_REPORTS.keys())
def test_a_mistake_in_a_report_is_named_with_its_line(
    tmp_path: Path, sound: Path, spoil: Spoil, old: str, new: str, line: int, said: str
) -> None:
    (tmp_path / "outside.pbix").write_bytes(pbix_bytes("Outside"))
    (sound / "pbix" / "link.pbix").symlink_to(tmp_path / "outside.pbix")
    (sound / "pbix" / "folder.pbix").mkdir()
    with (sound / "pbix" / "big.pbix").open("wb") as big:
        big.truncate(10 * 1024**3 + 1)  # a hole: takes no room

    found = mistakes_of(spoil(old, new))

    assert [(file, at) for file, at, message in found if said in message] == [(REPORTS, line)], found


IN_CATALOG = {
    "an unknown section": ("modules:", "colours: {}\nmodules:", 7, "the catalog has no field “colours”"),
    "a missing section": ("modules:", "moduls:", 1, "lacks the field “modules”"),
    "an empty section": ("  crm: {HUBSPOT: HubSpot}", "  crm:", 6, "the category crm must be a mapping"),
    "an unknown category": ("  crm:", "  erp: {SAP: SAP}\n  crm:", 6, "there is no category “erp”"),
    "a category that every customer needs": ("  crm: {HUBSPOT: HubSpot}\n", "", 1, "the category crm has no provider"),
    "a category without providers": ("{HUBSPOT: HubSpot}", "{}", 6, "the category crm has no provider"),
    "a provider in small letters": ("    BUD: Bud", "    bud: Bud", 4, "is no provider key"),
    "a provider without a name": ("    BUD: Bud", "    BUD:", 4, "the name of the provider BUD must be a text"),
    "a provider twice": ("    BUD: Bud", "    APTEM: Bud", 4, "“APTEM” stands here twice"),
    "a module key with a space": ("  learners:", "  the learners:", 8, "is no module key"),
    "a module without a title": ("    title: Learners\n", "", 8, "lacks the field “title”"),
    "a feature key with a dot": ("      attendance:", "      attendance.x:", 12, "is no feature key"),
    "a feature without a title": ("attendance: Attendance", "attendance:", 12, "the title of the feature attendance"),
    "a feature in two modules": (
        "  learners:", "  others: {title: Others, features: {attendance: Attendance}}\n  learners:", 13,
        "the feature attendance is in the module others already",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "said"), IN_CATALOG.values(), ids=IN_CATALOG.keys())
def test_a_mistake_in_the_vocabulary_is_named_with_its_line(
    spoil: Spoil, old: str, new: str, line: int, said: str
) -> None:
    found = mistakes_of(spoil(old, new, "catalog.yaml"))

    assert [(file, at) for file, at, message in found if said in message] == [("catalog.yaml", line)], found


def test_all_mistakes_are_named_at_once_and_in_order(sound: Path, spoil: Spoil) -> None:
    spoil("    BUD: Bud", "    bud: Bud", "catalog.yaml")
    spoil("title: Learner Progress", "titel: Learner Progress")
    spoil("feature: attendance", "feature: nothing")
    spoil("pbix/attendance.pbix", "../attendance.pbix")
    (sound / "reports" / "notes.yml").write_text("a: b")

    places = [(file, line) for file, line, _ in mistakes_of(sound)]

    assert places == [
        ("catalog.yaml", 4),
        (REPORTS, 1),
        (REPORTS, 2),
        (REPORTS, 10),
        (REPORTS, 14),
        ("reports/notes.yml", 1),
    ]


def test_a_vocabulary_that_cannot_be_read_makes_no_mistakes_in_the_reports(spoil: Spoil) -> None:
    found = mistakes_of(spoil("providers:", "providers: {", "catalog.yaml"))

    assert {file for file, _, _ in found} == {"catalog.yaml"}


def test_a_key_in_two_files_names_the_other_place(sound: Path) -> None:
    text = (sound / REPORTS).read_text()
    (sound / "reports" / "more.yaml").write_text("# more\n" + text.partition("bksb_attendance")[0])

    assert mistakes_of(sound) == [
        (
            "reports/more.yaml",
            2,
            f"the report aptem_learner_progress stands here again; the first is at {REPORTS}:1",
        )
    ]


@pytest.mark.parametrize("title", ["Learner Progress", "LEARNER  progress"])
@pytest.mark.parametrize("needs", ["{lms: APTEM}", "{}", "{crm: HUBSPOT}"])
def test_one_customer_cannot_get_two_reports_of_one_title(spoil: Spoil, title: str, needs: str) -> None:
    spoil("needs:\n    english_maths: BKSB", f"needs: {needs}\n")
    found = mistakes_of(spoil("title: Attendance", f"title: {title}"))

    assert found == [
        (
            REPORTS,
            9,
            f"aptem_learner_progress ({REPORTS}:1) has the same title “{title}”, and one customer can get both",
        )
    ]


def test_two_reports_that_no_customer_gets_together_may_share_a_title(spoil: Spoil) -> None:
    spoil("needs:\n    english_maths: BKSB", "needs: {lms: BUD}\n")

    catalog = load_catalog(spoil("title: Attendance", "title: Learner Progress"))

    assert [report.title for report in catalog.reports] == ["Learner Progress", "Learner Progress"]


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("catalog.yaml", b"", 1, "the file is empty"),
        ("catalog.yaml", b"# nothing\n", 1, "the file is empty"),
        ("catalog.yaml", b"just a text", 1, "holds only a text"),
        ("catalog.yaml", b"- a\n- b\n", 1, "a list has no place here"),
        ("catalog.yaml", b"a: b\nc: \xff\xfe\n", 2, "this is not UTF-8 text"),
        ("catalog.yaml", b"PK\x03\x04", 1, "U+0003"),
        ("catalog.yaml", b"a: " + b"x" * 4 * 1024**2, 1, "over 4 MB"),
        ("reports/all.yaml", b"null", 1, "the file is empty"),
        ("reports/all.yml", b"a: b", 1, "this is not read"),
    ],
)
def test_a_file_that_holds_no_mapping_is_named(sound: Path, name: str, content: bytes, line: int, said: str) -> None:
    (sound / name).write_bytes(content)

    assert [(file, at) for file, at, message in mistakes_of(sound) if said in message] == [(name, line)]


def test_a_yaml_bomb_is_refused_at_once(sound: Path) -> None:
    levels = [f"l{n}: &l{n} {{{', '.join(f'k{m}: *l{n - 1}' for m in range(9))}}}" for n in range(1, 40)]
    (sound / "catalog.yaml").write_text("\n".join(["l0: &l0 {a: b}", *levels]))
    started = time.process_time()

    found = mistakes_of(sound)

    assert ("catalog.yaml", 2, "the alias *l0 is not allowed; write the value out") in found
    assert time.process_time() - started < 1


def test_what_is_missing_of_the_folder_is_named(sound: Path, tmp_path: Path) -> None:
    assert mistakes_of(tmp_path / "nowhere") == [
        ("catalog.yaml", 1, f"there is no catalog folder {tmp_path / 'nowhere'}")
    ]

    (sound / REPORTS).unlink()
    assert mistakes_of(sound) == [("reports", 1, "the folder holds no .yaml file, so there is no report")]

    (sound / "reports").rmdir()
    (sound / "catalog.yaml").unlink()
    assert [(file, message) for file, _, message in mistakes_of(sound)] == [
        ("catalog.yaml", "there is no such file"),
        ("reports", "there is no such folder; it holds the reports, as .yaml files"),
    ]


def test_a_yaml_file_behind_a_link_to_the_outside_is_not_read(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2")
    (sound / "reports" / "more.yaml").symlink_to(tmp_path / "secret.yaml")

    assert mistakes_of(sound) == [
        ("reports/more.yaml", 1, "this leads out of the catalog folder through a symbolic link")
    ]


def test_a_catalog_folder_that_is_itself_a_link_is_fine(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sound)

    assert load_catalog(tmp_path / "link") == load_catalog(sound)


def test_a_package_with_other_bytes_than_the_manifest_says_is_found_by_the_check(sound: Path) -> None:
    changed = pbix_bytes("Attendance, changed")
    (sound / "pbix" / "attendance.pbix").write_bytes(changed)

    load_catalog(sound)
    [mistake] = check_catalog(sound)

    assert (mistake.file, mistake.line) == (REPORTS, 15)
    assert hashlib.sha256(changed).hexdigest() in mistake.message


def test_a_file_that_is_no_package_is_found_by_the_check(sound: Path) -> None:
    (sound / "pbix" / "attendance.pbix").write_bytes(b"not a zip")

    [mistake] = check_catalog(sound)

    assert str(mistake) == f"{REPORTS}:14: this is not a .pbix: it does not begin like a zip package"


def test_the_check_tells_manifest_and_package_mistakes_together(sound: Path, spoil: Spoil) -> None:
    spoil("title: Learner Progress", "titel: Learner Progress")
    spoil("    sha256: ", "    sha256: X")
    (sound / "pbix" / "attendance.pbix").write_bytes(b"not a zip")

    assert [mistake.line for mistake in check_catalog(sound)] == [1, 2, 14, 15]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=st.integers(0, 30),
    text=st.text(st.sampled_from("ab:{}[]-#&*!|>'\"%@?, \n\t~<\x00\u202e\ud7ff"), max_size=12),
    instead=st.booleans(),
)
def test_a_manifest_is_read_whole_or_refused_whatever_stands_in_it(
    sound: Path, line: int, text: str, instead: bool
) -> None:
    path = sound / REPORTS
    original = path.read_text(encoding="utf-8")
    lines = original.splitlines(keepends=True)
    lines[line : line + instead] = [text]
    path.write_text("".join(lines), encoding="utf-8")
    try:
        found = check_catalog(sound)
        reports = () if found else load_catalog(sound).reports
    finally:
        path.write_text(original, encoding="utf-8")

    assert all(1 <= mistake.line <= 60 for mistake in found)
    assert found or len(reports) in {1, 2}  # one where the text comments the other out


DEFINITION = """\
defined_attendance:
  title: Attendance as Defined
  feature: attendance
  needs: {}
  definition:
    folder: definitions/attendance.Report
    sha256: SHA256
"""


@pytest.fixture
def defined(sound: Path) -> Path:
    """The sound catalog with a report that is a definition besides."""
    folder = sound / "definitions" / "attendance.Report"
    (folder / "definition").mkdir(parents=True)
    (folder / ".platform").write_text("{}")
    (folder / "definition.pbir").write_text('{"datasetReference": {"byPath": {"path": "../a.SemanticModel"}}}')
    (folder / "definition" / "report.json").write_text("{}")
    text = DEFINITION.replace("SHA256", inspect_definition(folder).sha256)
    (sound / "reports" / "defined.yaml").write_text(text)
    return sound


def test_a_definition_in_a_folder_is_read_and_checked(defined: Path) -> None:
    report = load_catalog(defined).report("defined_attendance")

    folder = defined / "definitions" / "attendance.Report"
    assert (report.strategy, report.definition_path) == (ReportStrategy.DEFINITION, str(folder))
    listed = "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("definition.pbir", "definition/report.json")
    )
    assert report.content_hash == hashlib.sha256(listed.encode()).hexdigest()
    assert check_catalog(defined) == []


def test_a_definition_of_the_template_workspace_has_a_version_like_a_clone(defined: Path) -> None:
    report_id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    path = defined / "reports" / "defined.yaml"
    path.write_text(DEFINITION.partition("    folder")[0] + f"    report_id: {report_id}\n    version: 7\n")

    report = load_catalog(defined).report("defined_attendance")

    assert (report.strategy, report.source_report_id, report.definition_path) == ("definition", report_id, None)
    assert report.content_hash == hashlib.sha256(f"{report_id}:7".encode()).hexdigest()
    assert check_catalog(defined) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("definitions/attendance.Report", "../attendance.Report", 6, "no .."),
        ("definitions/attendance.Report", "definitions/nothing.Report", 6, "is no folder of the catalog"),
        ("definitions/attendance.Report", "pbix/attendance.pbix", 6, "is no folder of the catalog"),
        ("    sha256", "    md5", 7, "no field “md5”"),
        ("  definition:", "  clone: {report_id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301, version: 1}\n  definition:", 6,
         "both clone and definition"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_definitions_entry_is_named_with_its_line(
    defined: Path, spoil: Spoil, old: str, new: str, line: int, said: str
) -> None:
    spoil(old, new, file="reports/defined.yaml")

    found = mistakes_of(defined)

    assert any((file, at) == ("reports/defined.yaml", line) and said in message for file, at, message in found), found


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("definition/report.json", "{ }", "the folder's sha256 is"),
        ("definition/pages.json", "{}", "the folder's sha256 is"),
        ("definition.pbir", "no json", "is no JSON"),
        ("definition.pbir", None, "holds no definition.pbir"),
        ("definition/report.json", None, "holds neither report.json"),
    ],
)
def test_what_is_wrong_inside_a_definition_is_found_by_the_check(
    defined: Path, file: str, content: str | None, said: str
) -> None:
    path = defined / "definitions" / "attendance.Report" / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)

    [mistake] = check_catalog(defined)

    assert said in mistake.message
    assert load_catalog(defined).reports  # which opens nothing
