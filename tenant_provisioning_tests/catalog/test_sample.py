"""The sample catalog: what the product's numbers promise, the same bytes every time, and nobody's files overwritten."""

import itertools
import time
from collections import Counter
from pathlib import Path

import pytest

from tenant_provisioning.catalog.manifest import check_catalog, load_catalog
from tenant_provisioning.catalog.sample import write_sample
from tenant_provisioning.model.catalog import (
    CATEGORIES,
    REQUIRED_CATEGORIES,
    Catalog,
    ReportStrategy,
    TemplateReport,
    matching_reports,
)
from tenant_provisioning.model.errors import SetupError

ACME = {"lms": "APTEM", "english_maths": "BKSB", "crm": "HUBSPOT"}


@pytest.fixture(scope="module")
def sample(sample_folder: Path) -> Catalog:
    return load_catalog(sample_folder)


def choices(catalog: Catalog) -> list[dict[str, str | None]]:
    """Every choice of providers that a customer can make, with and without an HR system."""
    offered: list[list[str | None]] = [
        [provider.key for provider in catalog.providers if provider.category == category] for category in CATEGORIES
    ]
    offered[CATEGORIES.index("hr")].append(None)
    return [dict(zip(CATEGORIES, chosen, strict=True)) for chosen in itertools.product(*offered)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_sample_has_400_templates_and_no_mistake(sample: Catalog, sample_folder: Path) -> None:
    assert len(sample.reports) == 400
    assert len({report.key for report in sample.reports}) == 400
    assert check_catalog(sample_folder) == []


def test_aptem_bksb_and_hubspot_get_42_some_by_clone_and_some_by_import(sample: Catalog) -> None:
    strategies = Counter(report.strategy for report in matching_reports(sample.reports, ACME))

    assert strategies == {ReportStrategy.CLONE: 29, ReportStrategy.IMPORT: 13}


def test_every_customer_gets_at_least_25_reports(sample: Catalog) -> None:
    counts = [len(matching_reports(sample.reports, chosen)) for chosen in choices(sample)]

    assert len(counts) == 5 * 4 * 4 * 4
    assert min(counts) >= 25
    assert len(set(counts)) > 5  # customers differ


def test_no_customer_gets_two_reports_for_one_feature_or_of_one_title(sample: Catalog) -> None:
    for chosen in choices(sample):
        matching = matching_reports(sample.reports, chosen)
        assert len({report.feature_key for report in matching}) == len(matching)
        assert len({report.title.casefold() for report in matching}) == len(matching)


def test_every_template_is_what_some_customer_gets(sample: Catalog) -> None:
    deployed: set[str] = set()
    for chosen in choices(sample):
        deployed.update(report.key for report in matching_reports(sample.reports, chosen))

    assert deployed == {report.key for report in sample.reports}


def test_modules_hold_fifty_to_sixty_features_and_reports_serve_most(sample: Catalog) -> None:
    features = {feature.key for module in sample.modules for feature in module.features}
    served = {report.feature_key for report in sample.reports}

    assert len(sample.modules) >= 6
    assert 50 <= len(features) <= 60
    assert served < features


def test_keys_tell_providers_and_subject(sample: Catalog) -> None:
    report: TemplateReport = sample.report("aptem_learner_progress")

    assert (report.title, report.needs) == ("Learner Progress (Aptem)", {"lms": "APTEM"})
    assert sample.report("aptem_bksb_functional_skills_progress").needs == {"lms": "APTEM", "english_maths": "BKSB"}
    assert sample.report("safeguarding_log").needs == {}


def test_cloned_reports_have_sources_of_their_own(sample: Catalog) -> None:
    clones = [report for report in sample.reports if report.strategy is ReportStrategy.CLONE]

    assert len({report.source_report_id for report in clones}) == len(clones)
    assert {provider.category for provider in sample.providers} >= set(REQUIRED_CATEGORIES)


def test_writing_it_elsewhere_gives_the_same_bytes(sample_folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "other")

    assert contents(tmp_path / "other") == contents(sample_folder)


def test_it_is_written_and_read_quickly(tmp_path: Path) -> None:
    write, read = [], []
    for number in range(3):
        started = time.process_time()
        write_sample(tmp_path / str(number))
        written = time.process_time()
        load_catalog(tmp_path / str(number))
        write.append(written - started)
        read.append(time.process_time() - written)

    assert min(write) < 2
    assert min(read) < 0.15


def test_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    write_sample(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    write_sample(tmp_path)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_an_interruption_left_is_completed(tmp_path: Path, sample_folder: Path) -> None:
    write_sample(tmp_path)
    (tmp_path / ".sample").unlink()
    (tmp_path / "catalog.yaml").unlink()
    (tmp_path / "reports" / ".sample-partial-77").write_bytes(b"half of a fi")

    assert len(write_sample(tmp_path).reports) == 400


def test_an_older_sample_is_replaced_and_what_it_had_more_is_gone(tmp_path: Path, sample_folder: Path) -> None:
    write_sample(tmp_path)
    listing = tmp_path / ".sample"
    (tmp_path / "pbix" / "old.pbix").write_bytes(b"old")
    (tmp_path / "catalog.yaml").write_bytes(b"old")
    digest = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4"  # of "old"
    kept = [line for line in listing.read_text().splitlines() if not line.endswith("  catalog.yaml")]
    listing.write_text("\n".join([*kept, f"{digest}  catalog.yaml", f"{digest}  pbix/old.pbix", ""]))

    write_sample(tmp_path)

    assert contents(tmp_path) == contents(sample_folder)


@pytest.mark.parametrize("name", ["notes.txt", "catalog.yaml", "reports/mine.yaml", "reports/learners.yaml"])
def test_a_folder_with_somebodys_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / name).write_text("mine: {}\n")

    with pytest.raises(SetupError, match=rf"holds files of yours \({name}\)\. Choose another folder"):
        write_sample(tmp_path)

    assert contents(tmp_path) == {name: b"mine: {}\n"}


@pytest.mark.parametrize("change", ["edited", "emptied", "linked"])
def test_a_sample_that_somebody_changed_is_refused_and_left_alone(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "catalog"
    write_sample(folder)
    path = folder / "reports" / "learners.yaml"
    if change == "edited":
        path.write_text(path.read_text() + "mine: {}\n")
    elif change == "emptied":
        path.write_text("")
    else:
        path.rename(tmp_path / "learners.yaml")
        path.symlink_to(tmp_path / "learners.yaml")
    before = contents(folder)

    with pytest.raises(SetupError, match=r"reports/learners\.yaml"):
        write_sample(folder)

    assert contents(folder) == before


def test_a_linked_folder_inside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "pbix").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SetupError, match="pbix"):
        write_sample(tmp_path / "catalog")

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("mine")

    with pytest.raises(SetupError, match="catalog"):
        write_sample(tmp_path / "catalog")
