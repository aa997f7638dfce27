"""What the sample catalog offers, as tables: providers, modules, and the features that reports serve.

The numbers are chosen: 400 templates in all, 42 of them for APTEM, BKSB and HUBSPOT. Writing the files is `sample`.
"""

from dataclasses import dataclass

PROVIDERS = {
    "lms": {"APTEM": "Aptem", "BUD": "Bud", "ONEFILE": "OneFile", "MAYTAS": "Maytas", "PICS": "PICS"},
    "english_maths": {"BKSB": "bksb", "CENTURY": "CENTURY", "SKILLSFORWARD": "Skills Forward", "NCFE": "NCFE"},
    "crm": {"HUBSPOT": "HubSpot", "SALESFORCE": "Salesforce", "DYNAMICS": "Dynamics 365", "ZOHO": "Zoho"},
    "hr": {"CASCADE": "Cascade", "BAMBOOHR": "BambooHR", "SAGEHR": "Sage HR"},
}


@dataclass(frozen=True)
class Feature:
    """A feature and the reports that serve it: one for every combination of the providers of `by`, except `without`.

    `by` is None for a feature that has no report.
    """

    title: str
    by: tuple[str, ...] | None = ()
    imported: bool = False
    without: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The title as a key."""
        return self.title.lower().replace("-", "_").replace(" ", "_")


LMS, ENGLISH_MATHS, CRM, HR = ("lms",), ("english_maths",), ("crm",), ("hr",)
MODULES: dict[str, tuple[Feature, ...]] = {
    "Learners": (
        Feature("Learner Progress", LMS),
        Feature("Learner Starts and Leavers", LMS),
        Feature("Learners at Risk", LMS, imported=True),
        Feature("Programme Completion", LMS),
        Feature("Withdrawals and Breaks in Learning", LMS),
        Feature("Learner Destinations", LMS, imported=True, without=("PICS",)),
        Feature("Learner Survey", (), imported=True),
        Feature("Learner Documents", None),
    ),
    "Attendance": (
        Feature("Session Attendance", LMS),
        Feature("Absence Trends", LMS, without=("PICS",)),
        Feature("Off-the-Job Hours", LMS),
        Feature("Off-the-Job Forecast", LMS, imported=True, without=("MAYTAS", "PICS")),
        Feature("Tutor Timetable", LMS, imported=True, without=("BUD",)),
        Feature("Room Bookings", None),
    ),
    "Functional Skills": (
        Feature("Initial Assessments", ENGLISH_MATHS),
        Feature("Diagnostics Completed", ENGLISH_MATHS, without=("NCFE",)),
        Feature("Exam Bookings", ENGLISH_MATHS, imported=True),
        Feature("Exam Pass Rates", ENGLISH_MATHS),
        Feature("Learning Resource Usage", ENGLISH_MATHS, without=("SKILLSFORWARD", "NCFE")),
        Feature("English and Maths Engagement", ENGLISH_MATHS, imported=True),
        Feature("Functional Skills Progress", LMS + ENGLISH_MATHS),
        Feature("Functional Skills Achievement", LMS + ENGLISH_MATHS),
        Feature("Starting Points by Programme", LMS + ENGLISH_MATHS),
        Feature("Skills Gap by Cohort", LMS + ENGLISH_MATHS, imported=True),
        Feature("Exam Readiness", LMS + ENGLISH_MATHS, imported=True, without=("PICS",)),
        Feature("English and Maths Exemptions", LMS + ENGLISH_MATHS),
    ),
    "Apprenticeships": (
        Feature("Progress Reviews", LMS),
        Feature("Overdue Reviews", LMS, without=("MAYTAS",)),
        Feature("Gateway and End-Point Assessment", LMS, imported=True),
        Feature("Review Attendance of Employers", LMS + CRM),
        Feature("Apprenticeship Agreements", None),
    ),
    "Compliance": (
        Feature("Safeguarding Log", ()),
        Feature("Funding Claims", ()),
        Feature("Quality Improvement Plan", (), imported=True),
        Feature("Audit Evidence", None),
    ),
    "Employers": (
        Feature("Employer Engagement", LMS + CRM),
        Feature("Employer Satisfaction", LMS + CRM),
        Feature("Cohort Recruitment", LMS + CRM, imported=True),
        Feature("Vacancy to Start", LMS + CRM, without=("ZOHO",)),
        Feature("Employer English and Maths Commitments", ENGLISH_MATHS + CRM),
        Feature("Employer Accounts", CRM),
        Feature("Levy Transfers", CRM),
        Feature("Employer Portal", None),
    ),
    "Sales": (
        Feature("CRM Pipeline", CRM),
        Feature("Sales Forecast", CRM, without=("ZOHO",)),
        Feature("Lead Sources", CRM, imported=True),
        Feature("Account Manager Activity", CRM, without=("DYNAMICS", "ZOHO")),
    ),
    "People": (
        Feature("Staff Headcount", HR),
        Feature("Staff Absence", HR),
        Feature("Tutor Qualifications", HR, imported=True),
        Feature("Staff Training Record", HR),
        Feature("Staff Turnover", HR),
        Feature("Right to Work Checks", HR, imported=True),
        Feature("Caseload per Coach", LMS + HR),
        Feature("Coach Utilisation", LMS + HR),
        Feature("Staffing Forecast", LMS + HR, imported=True),
    ),
}
