"""The customer: the onboarding form, its validation, and the organization it becomes."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from tenant_provisioning.model.catalog import CATEGORIES, REQUIRED_CATEGORIES, Provider
from tenant_provisioning.model.data_store import DataStoreKind, OwnDataStore, read_data_store
from tenant_provisioning.model.errors import RequestInvalid
from tenant_provisioning.model.lifecycle import ROLLBACK_ATTEMPTS, DeploymentStatus
from tenant_provisioning.model.naming import DNS_LABEL, RESERVED_SUBDOMAINS

NAME_LENGTH = 200
MAX_SUPER_USERS = 50
DOMAIN_LENGTH = 253 - 63 - 1  # a host name has at most 253 characters, and a subdomain goes before
JOINERS = "\u200c\u200d"  # invisible, but names in Persian and the Indic scripts are misspelt without them


@dataclass(frozen=True)
class SuperUser:
    """A person of the customer who administers it; `email` is in lower case."""

    email: str
    first_name: str
    last_name: str


@dataclass(frozen=True)
class OnboardingForm:
    """A validated onboarding request."""

    name: str
    subdomain: str
    domain: str
    providers: Mapping[str, str]
    data_store: DataStoreKind
    super_users: tuple[SuperUser, ...]
    own_data_store: OwnDataStore | None = None


@dataclass(frozen=True)
class Organization:
    """A row of `organizations`, as the steps need it. The connection string is not here: see `store.vault`."""

    id: UUID
    name: str
    subdomain: str
    domain: str
    status: DeploymentStatus
    providers: Mapping[str, str]
    data_store: DataStoreKind
    status_reason: str | None = None
    claimed_by_run: str | None = None
    created_at: datetime | None = None
    activated_at: datetime | None = None
    rollback_requested_at: datetime | None = None
    rollback_attempt: int = 0
    next_attempt_at: datetime | None = None
    waits: int = 0

    @property
    def is_on_its_way_back(self) -> bool:
        """True from the wish for a rollback until its end, also while a run has to be stopped first or a person has to look."""
        return self.rollback_requested_at is not None and self.status is not DeploymentStatus.ROLLED_BACK

    @property
    def rollback_has_stopped(self) -> bool:
        """True when the rollback has had all its attempts and waits for a person to ask again."""
        tried = self.rollback_attempt > ROLLBACK_ATTEMPTS
        return self.is_on_its_way_back and tried and self.next_attempt_at is None


def validate_form(
    raw: Any,
    *,
    providers: Collection[Provider],
    taken_subdomains: Collection[str],
    taken_emails: Collection[str],
    default_domain: str,
    offered: Collection[DataStoreKind] = (DataStoreKind.LAKEHOUSE,),
) -> OnboardingForm:
    """The form, or RequestInvalid with every mistake at once, by field.

    `offered` are the kinds of data store that may be chosen; the first is taken where the form names none.
    `taken_subdomains` and `taken_emails` (lower case) are those of other organizations that are not rolled back.
    """
    if not isinstance(raw, Mapping):
        raise RequestInvalid({"": ["The request must be an object with fields such as name and subdomain."]})
    errors: dict[str, list[str]] = defaultdict(list)
    known = {"name", "subdomain", "domain", "data_store", "super_users", *CATEGORIES}
    _refuse_unknown(raw, known, errors)
    name = _text(raw, "name", errors, NAME_LENGTH)
    subdomain = _subdomain(raw, taken_subdomains, errors)
    domain = _domain(raw, default_domain, errors)
    chosen = _providers(raw, providers, errors)
    data_store, own = read_data_store(raw.get("data_store"), offered, errors)
    super_users = _super_users(raw.get("super_users"), taken_emails, errors)
    if errors:
        raise RequestInvalid(errors)
    return OnboardingForm(name, subdomain, domain, chosen, data_store, super_users, own)


Errors = dict[str, list[str]]


def _refuse_unknown(raw: Mapping[str, Any], known: Collection[str], errors: Errors, path: str = "") -> None:
    for field in raw:
        if field not in known:
            names = ", ".join(sorted(known))
            errors[path + _shown(field)].append(f"There is no field of this name. Known are: {names}.")


def _shown(value: Any) -> str:
    """The value as an error text can repeat it: short, and of characters that every terminal and encoding can take."""
    text = value if isinstance(value, str) else type(value).__name__
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:60])


def _is_readable(character: str) -> bool:
    """False for control characters, line breaks, halves of surrogate pairs and overrides of the reading direction."""
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _text(raw: Mapping[str, Any], field: str, errors: Errors, limit: int, path: str = "") -> str:
    value = raw.get(field)
    path = path or field
    if value is None or (isinstance(value, str) and not "".join(value.split()).strip(JOINERS)):
        errors[path].append("This field is required.")
    elif not isinstance(value, str):
        errors[path].append("This must be text.")
    elif len(value) > limit:
        errors[path].append(f"This is too long: at most {limit} characters.")
    elif not all(map(_is_readable, value)):
        errors[path].append("This must not hold line breaks or control characters.")
    else:
        return " ".join(value.split())
    return ""


def _subdomain(raw: Mapping[str, Any], taken: Collection[str], errors: Errors) -> str:
    before = len(errors)
    subdomain = _text(raw, "subdomain", errors, 63)
    if len(errors) > before:
        return ""
    if not DNS_LABEL.fullmatch(subdomain):
        errors["subdomain"].append("Use 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end.")
    elif subdomain in RESERVED_SUBDOMAINS:
        errors["subdomain"].append(f"“{subdomain}” is reserved for the platform. Choose another.")
    elif subdomain in taken:
        errors["subdomain"].append(f"“{subdomain}” is taken by another organization. Choose another.")
    return subdomain


def _domain(raw: Mapping[str, Any], default: str, errors: Errors) -> str:
    if raw.get("domain") in (None, ""):
        return default
    domain = _text(raw, "domain", errors, DOMAIN_LENGTH)
    labels = domain.split(".")
    if domain and (len(labels) < 2 or labels[-1].isdigit() or not all(DNS_LABEL.fullmatch(label) for label in labels)):
        errors["domain"].append("This is not a domain name such as yourplatform.com.")
    return domain


def _providers(raw: Mapping[str, Any], known: Collection[Provider], errors: Errors) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for category in CATEGORIES:
        value = raw.get(category)
        offered = sorted(provider.key for provider in known if provider.category == category)
        if value is None or value == "":
            if category in REQUIRED_CATEGORIES:
                errors[category].append(f"This field is required. Choose one of: {', '.join(offered)}.")
        elif value not in offered:
            errors[category].append(f"“{_shown(value)}” is not a known provider. Choose one of: {', '.join(offered)}.")
        else:
            chosen[category] = value
    return chosen


def _super_users(raw: Any, taken: Collection[str], errors: Errors) -> tuple[SuperUser, ...]:
    if not isinstance(raw, list) or not raw:
        errors["super_users"].append("Name at least one super user, with email, first_name and last_name.")
        return ()
    if len(raw) > MAX_SUPER_USERS:
        errors["super_users"].append(
            f"At most {MAX_SUPER_USERS} super users can be named here; add more after go live."
        )
        return ()
    people: list[SuperUser] = []
    for index, entry in enumerate(raw):
        path = f"super_users.{index}"
        if not isinstance(entry, Mapping):
            errors[path].append("A super user has email, first_name and last_name.")
            continue
        _refuse_unknown(entry, {"email", "first_name", "last_name"}, errors, f"{path}.")
        email = _email(entry, f"{path}.email", errors)
        if email and email in {person.email for person in people}:
            errors[f"{path}.email"].append("Another super user of this request has the same email.")
        elif email and email in taken:
            errors[f"{path}.email"].append("This email belongs to a user of another organization.")
        first = _text(entry, "first_name", errors, 100, f"{path}.first_name")
        last = _text(entry, "last_name", errors, 100, f"{path}.last_name")
        people.append(SuperUser(email, first, last))
    return tuple(people)


def _email(entry: Mapping[str, Any], path: str, errors: Errors) -> str:
    text = _text(entry, "email", errors, 254, path)
    if not text:
        return ""
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError as mistake:
        errors[path].append(f"This is not an email address: {mistake}")
        return ""
